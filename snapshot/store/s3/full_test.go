package s3_test

import (
	"errors"
	"syscall"
	"testing"

	"holdfast/fixtures"
	"holdfast/snapshot"
	"holdfast/snapshot/store/s3"
)

func TestFullServerStoresNothingAndHeals(t *testing.T) {
	for name, start := range map[string]func(string) (*fixtures.S3Server, error){"versitygw": fixtures.StartS3, "minio": fixtures.StartMinIO} {
		t.Run(name, func(t *testing.T) {
			fixtures.Binary(t, name)
			server, err := start(fixtures.SmallDisk(t, 8<<20))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Kill() })
			server.Setenv(t)
			o, err := s3.ParseURL(server.URL("p"))
			if err != nil {
				t.Fatal(err)
			}
			s := openOptions(t, o)
			put(t, s, "small", "x")
			// It may hang up before its answer is read. Who hears of that first, the one that reads or the one
			// that still writes, gets the first of these, and the other the second.
			hungUp := func(err error) bool { return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) }
			err = syscall.ECONNRESET
			for try := 0; hungUp(err) && try < 10; try++ {
				err = s.Put(t.Context(), "big", make([]byte, 16<<20), snapshot.PutOptions{})
			}
			wantError(t, err, snapshot.ErrFull)
			for o, err := range s.List(t.Context(), "") {
				if err != nil || o.Key != "small" {
					t.Errorf("listed %q, %v", o.Key, err)
				}
			}
			put(t, s, "after", "y")
		})
	}
}
