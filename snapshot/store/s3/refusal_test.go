package s3_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/snapshot"
	"holdfast/snapshot/store"
	"holdfast/snapshot/store/s3"
)

// every calls each method once and hands its error to check.
func every(t *testing.T, s store.Store, check func(verb string, err error)) {
	t.Helper()
	check("put", s.Put(t.Context(), "k", []byte("x"), snapshot.PutOptions{}))
	rc, err := s.Get(t.Context(), "k", snapshot.Range{})
	if err == nil {
		rc.Close()
	}
	check("get", err)
	err = nil
	for _, e := range s.List(t.Context(), "") {
		err = e
	}
	check("list", err)
	check("delete", s.Delete(t.Context(), "k"))
	_, err = s.Load(t.Context(), "k")
	check("load", err)
	_, err = s.Swap(t.Context(), "r", []byte("x"), "")
	check("swap", err)
}

func TestMissingBucketIsNoBucket(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.Setenv(t)
			s := open(t, server, "no-such-bucket", "p")
			every(t, s, func(verb string, err error) {
				wantError(t, err, snapshot.ErrNoBucket)
				if errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: a missing bucket looks like a missing key", verb)
				}
			})
			_, err := s.Bucket(t.Context())
			wantError(t, err, snapshot.ErrNoBucket)
			_, err = s.Swap(t.Context(), "r", []byte("x"), `"0123"`)
			wantError(t, err, snapshot.ErrNoBucket)
		})
	}
}

func TestWrongCredentialsAreDenied(t *testing.T) {
	for name, start := range servers {
		for what, user := range map[string]fixtures.User{
			"key":    {AccessKey: "wrong-key", Secret: "hunter2hunter2"},
			"secret": {AccessKey: "holdfast-test-key", Secret: "hunter2hunter2"},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				server := start(t)
				user.Setenv(t)
				every(t, open(t, server, server.Bucket, ""), func(verb string, err error) {
					wantError(t, err, snapshot.ErrDenied)
					if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "AWS4")) {
						t.Errorf("%s: the error says too much: %v", verb, err)
					}
				})
			})
		}
	}
}

func TestMissingCredentialsAreDenied(t *testing.T) {
	server := fixtures.S3(t)
	fixtures.User{}.Setenv(t)
	every(t, open(t, server, server.Bucket, ""), func(_ string, err error) {
		wantError(t, err, snapshot.ErrDenied)
		if err != nil && !strings.Contains(err.Error(), "finding AWS credentials") {
			t.Errorf("error %v does not say what is missing", err)
		}
	})
}

// A host that takes snapshots needs no right to delete.
func TestUserWhoMayNotDeleteIsDenied(t *testing.T) {
	server := fixtures.S3(t)
	server.Setenv(t)
	user, err := server.NewUser("taker")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Allow(user, server.Bucket, "s3:PutObject", "s3:GetObject", "s3:ListBucket"); err != nil {
		t.Fatal(err)
	}
	user.Setenv(t)
	s := open(t, server, server.Bucket, "p")
	put(t, s, "k", "x")
	wantError(t, s.Delete(t.Context(), "k"), snapshot.ErrDenied)
	if got := get(t, s, "k"); got != "x" {
		t.Errorf("got %q", got)
	}
	caps, err := store.Probe(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range caps {
		switch {
		case c.Name == store.DeleteObjects && (c.OK || !strings.Contains(c.Detail, "may not delete")):
			t.Errorf("%+v", c)
		case c.Required && !c.OK:
			t.Errorf("%+v", c)
		}
	}
}

func TestLockedObjectsSayHowLong(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.Setenv(t)
			bucket, err := server.NewBucket(fixtures.BucketOptions{ObjectLock: true})
			if err != nil {
				t.Fatal(err)
			}
			s := open(t, server, bucket, "p")
			until := time.Now().Add(time.Hour).Truncate(time.Second)
			for _, mode := range []string{"governance", "compliance"} {
				if err := s.Put(t.Context(), mode, []byte("x"), snapshot.PutOptions{Lock: snapshot.Lock{Mode: mode, Until: until}}); err != nil {
					t.Fatal(err)
				}
				got, end, err := server.Retention(bucket, "p/"+mode)
				if err != nil || !strings.EqualFold(got, mode) || !end.Equal(until) {
					t.Errorf("locked %s until %v, %v; want %s until %v", got, end, err, mode, until)
				}
			}
			err = s.Put(t.Context(), "odd", []byte("x"), snapshot.PutOptions{Lock: snapshot.Lock{Mode: "hard", Until: until}})
			wantError(t, err, snapshot.ErrUnsupported)
		})
	}
}

func TestLockInAPlainBucketIsUnsupported(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.Setenv(t)
			s := open(t, server, server.Bucket, "p")
			lock := snapshot.Lock{Mode: "governance", Until: time.Now().Add(time.Hour)}
			wantError(t, s.Put(t.Context(), "k", []byte("x"), snapshot.PutOptions{Lock: lock}), snapshot.ErrUnsupported)
		})
	}
}

func TestBucketTellsVersioningAndLock(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.Setenv(t)
			for _, test := range []struct {
				options fixtures.BucketOptions
				want    s3.Bucket
			}{
				{fixtures.BucketOptions{}, s3.Bucket{Versioning: s3.Off, ObjectLock: s3.Off}},
				{fixtures.BucketOptions{Versioning: true}, s3.Bucket{Versioning: s3.On, ObjectLock: s3.Off}},
				{fixtures.BucketOptions{ObjectLock: true}, s3.Bucket{Versioning: s3.On, ObjectLock: s3.On}},
				{fixtures.BucketOptions{ObjectLock: true, Governance: 3},
					s3.Bucket{Versioning: s3.On, ObjectLock: s3.On, DefaultMode: "governance", DefaultDays: 3}},
			} {
				bucket, err := server.NewBucket(test.options)
				if err != nil {
					t.Fatal(err)
				}
				got, err := open(t, server, bucket, "").Bucket(t.Context())
				if err != nil || got != test.want {
					t.Errorf("%+v: got %+v, %v, want %+v", test.options, got, err, test.want)
				}
			}
		})
	}
}

// What a server says only when it is in a state that a test cannot bring it into.
func TestRareAnswersAreUnderstood(t *testing.T) {
	for _, test := range []struct {
		a    action
		want error
	}{
		{action{status: 507, code: "XMinioStorageFull"}, snapshot.ErrFull},
		{action{status: 400, code: "QuotaExceeded"}, snapshot.ErrFull},
		{action{status: 507}, snapshot.ErrFull},
		{action{status: 400, code: "ExpiredToken"}, snapshot.ErrDenied},
		{action{status: 403, code: "RequestRefusedByPolicy"}, snapshot.ErrDenied},
		{action{status: 401}, snapshot.ErrDenied},
	} {
		through, _, _ := behind(t, times(1, http.MethodPut, test.a))
		wantError(t, through.Put(t.Context(), "k", []byte("x"), snapshot.PutOptions{}), test.want)
	}
}

// The words that servers refuse to delete a locked version with. A delete without a version
// gets them only from servers that are stricter than the ones here.
func TestRefusedDeleteOfALockedObjectIsRetained(t *testing.T) {
	for _, test := range []struct {
		a    action
		want error
	}{
		{action{status: 403, code: "AccessDenied", text: "Access Denied because object protected by object lock."}, snapshot.ErrRetained},
		{action{status: 400, code: "InvalidRequest", text: "Object is WORM protected and cannot be overwritten"}, snapshot.ErrRetained},
		{action{status: 400, code: "ObjectLocked"}, snapshot.ErrRetained},
		{action{status: 403, code: "AccessDenied", text: "Access Denied"}, snapshot.ErrDenied},
	} {
		through, _, _ := behind(t, times(1, http.MethodDelete, test.a))
		wantError(t, through.Delete(t.Context(), "k"), test.want)
	}
}

func TestUnreachableServerIsAPlainError(t *testing.T) {
	fixtures.User{AccessKey: "k", Secret: "hunter2"}.Setenv(t)
	s := openOptions(t, s3.Options{Bucket: "bucket", Endpoint: "http://127.0.0.1:1", PathStyle: true, Attempts: 2, Pause: time.Millisecond})
	every(t, s, func(verb string, err error) {
		if err == nil || !strings.Contains(err.Error(), "connection refused") || len(err.Error()) > 120 {
			t.Errorf("%s: %v", verb, err)
		}
	})
}

func TestEndedContextStopsRetries(t *testing.T) {
	through, _, _ := behind(t, func(*http.Request) action { return action{status: 503, code: "SlowDown"} })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	wantError(t, through.Put(ctx, "k", []byte("x"), snapshot.PutOptions{}), context.DeadlineExceeded)
}

func TestRegionIsAskedForWhereItMatters(t *testing.T) {
	fixtures.User{AccessKey: "k", Secret: "s"}.Setenv(t)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	if _, err := s3.Open(t.Context(), s3.Options{Bucket: "b"}); err == nil || !strings.Contains(err.Error(), "no region") {
		t.Errorf("error %v", err)
	}
	if _, err := s3.Open(t.Context(), s3.Options{Bucket: "b", Endpoint: "http://127.0.0.1:1"}); err != nil {
		t.Error(err)
	}
}

// versitygw answers a conditional put of a deleted key, in a bucket with versions, as if the
// object were there. To the caller that must not look like success.
func TestDeletedObjectIsNotTakenForAnExistingOne(t *testing.T) {
	server := fixtures.S3(t)
	server.Setenv(t)
	bucket, err := server.NewBucket(fixtures.BucketOptions{Versioning: true})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, server, bucket, "p")
	put(t, s, "k", "x")
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	err = s.Put(t.Context(), "k", []byte("x"), snapshot.PutOptions{})
	if errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, but nothing is there", err)
	}
	if err == nil && get(t, s, "k") != "x" {
		t.Error("another body is there")
	}
}
