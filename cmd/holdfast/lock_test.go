package main

import (
	"strings"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
	"holdfast/snapshot/store/s3"
)

// TestWhatASnapshotNeedsIsLockedAsLong takes two snapshots of an unchanged vault into a bucket with
// Object Lock, the second for longer: everything it builds on has to be locked as long as it is.
func TestWhatASnapshotNeedsIsLockedAsLong(t *testing.T) {
	server := fixtures.S3(t)
	server.Setenv(t)
	bucket, err := server.NewBucket(fixtures.BucketOptions{ObjectLock: true})
	if err != nil {
		t.Fatal(err)
	}
	url := server.BucketURL(bucket, "lab")
	l := newLab(t, url, 200, server.Env()...)
	l.lockFor("days: 2")
	l.must("snapshot", "app", "--quiet")
	replaceInFile(t, l.config, "days: 2", "days: 5")
	l.must("snapshot", "app", "--quiet")
	l.must("verify", "latest", "--vault", "app", "--quiet")

	options, err := s3.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	store, err := s3.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	keys := (&testrepo.Repo{Store: store}).Keys(t)
	newest := ""
	for _, k := range keys {
		if strings.HasSuffix(k, "/manifest") {
			newest = strings.TrimSuffix(k, "manifest")
		}
	}
	locked := 0
	for _, k := range keys {
		needed := k == snapshot.RepositoryKey || strings.Contains(k, "/keys/") || strings.Contains(k, "/packs/") || strings.HasPrefix(k, newest)
		if !needed || strings.Contains(k, "/snapshots/") && !strings.HasPrefix(k, newest) {
			continue
		}
		mode, until, err := server.Retention(bucket, "lab/"+k)
		if err != nil || mode != "GOVERNANCE" || time.Until(until) < 4*24*time.Hour {
			t.Errorf("%s: %s until %s, %v", k, mode, until, err)
		}
		locked++
	}
	if locked < 6 {
		t.Errorf("only %d objects were looked at: %v", locked, keys)
	}
}

// lockFor turns the lock of the lab's configuration on.
func (l *lab) lockFor(days string) {
	l.t.Helper()
	replaceInFile(l.t, l.config, "\nkeys:\n", "\n  lock: {mode: governance, "+days+"}\nkeys:\n")
}
