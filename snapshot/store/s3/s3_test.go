package s3_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/fixtures/storetest"
	"holdfast/snapshot"
	"holdfast/snapshot/store"
	"holdfast/snapshot/store/s3"
)

var servers = map[string]func(fixtures.TB) *fixtures.S3Server{"versitygw": fixtures.S3, "minio": fixtures.MinIO}

// open opens a prefix of the server's bucket, with pauses short enough for tests.
func open(t testing.TB, s *fixtures.S3Server, bucket, prefix string) *s3.Store {
	t.Helper()
	o, err := s3.ParseURL(s.BucketURL(bucket, prefix))
	if err != nil {
		t.Fatal(err)
	}
	return openOptions(t, o)
}

func openOptions(t testing.TB, o s3.Options) *s3.Store {
	t.Helper()
	if o.Pause == 0 {
		o.Pause = 100 * time.Millisecond
	}
	s, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.Setenv(t)
			storetest.Run(t, func(t *testing.T) store.Store {
				bucket, err := server.NewBucket(fixtures.BucketOptions{})
				if err != nil {
					t.Fatal(err)
				}
				return open(t, server, bucket, "some/prefix")
			})
		})
	}
}

// versitygw takes delete markers for objects, so only one server is held to this.
func TestContractInABucketWithVersions(t *testing.T) {
	server := fixtures.MinIO(t)
	server.Setenv(t)
	storetest.Run(t, func(t *testing.T) store.Store {
		bucket, err := server.NewBucket(fixtures.BucketOptions{ObjectLock: true})
		if err != nil {
			t.Fatal(err)
		}
		return open(t, server, bucket, "")
	})
}

func put(t *testing.T, s store.Store, key, body string) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(body), snapshot.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s store.Store, key string) string {
	t.Helper()
	rc, err := s.Get(t.Context(), key, snapshot.Range{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(rc)
	if err := errors.Join(err, rc.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want one that matches %q", err, want)
	}
}
