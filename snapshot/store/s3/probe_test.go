package s3_test

import (
	"crypto/sha256"
	"strconv"
	"testing"

	"holdfast/fixtures"
	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

func TestProbeFindsWhatRealServersCan(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.Setenv(t)
			for _, locked := range []bool{false, true} {
				bucket, err := server.NewBucket(fixtures.BucketOptions{ObjectLock: locked})
				if err != nil {
					t.Fatal(err)
				}
				s := open(t, server, bucket, "p")
				caps, err := store.Probe(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range caps {
					// See TestDeletedObjectIsNotTakenForAnExistingOne.
					known := c.Name == store.PutAfterDelete && name == "versitygw" && locked
					want := !known && (c.Name != "versioning" && c.Name != "object lock" || locked)
					if c.OK != want {
						t.Errorf("locked %v: %+v", locked, c)
					}
				}
				for o, err := range s.List(t.Context(), "") {
					t.Errorf("left %q, %v", o.Key, err)
				}
			}
		})
	}
}

func BenchmarkPutPack(b *testing.B) {
	server := fixtures.S3(b)
	server.Setenv(b)
	s := open(b, server, server.Bucket, "p")
	body := make([]byte, 8<<20)
	sum := sha256.Sum256(body)
	b.SetBytes(int64(len(body)))
	for i := 0; b.Loop(); i++ {
		if err := s.Put(b.Context(), "packs/"+strconv.Itoa(i), body, snapshot.PutOptions{SHA256: sum}); err != nil {
			b.Fatal(err)
		}
	}
}
