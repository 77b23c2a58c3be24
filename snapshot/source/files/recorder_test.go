package files

import (
	"bytes"
	"encoding/json"
	"testing"

	"holdfast/snapshot/source/files/filestest"
)

// A recorder is a dump in memory that can be read and checked.
type recorder struct{ *filestest.Recorder }

func newRecorder() *recorder { return &recorder{filestest.NewRecorder()} }

func (r *recorder) tree() []byte  { return r.Streams[TreeStream].Bytes() }
func (r *recorder) index() []byte { return r.Streams[IndexStream].Bytes() }

func (r *recorder) facts(t testing.TB) Facts {
	t.Helper()
	var f Facts
	if err := json.Unmarshal(r.Streams[TreeStream].Facts, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// dump dumps s and fails the test if that fails.
func dump(t testing.TB, s Source) *recorder {
	t.Helper()
	r := newRecorder()
	if err := s.Dump(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for name, w := range r.Streams {
		if !w.Sealed {
			t.Fatalf("stream %s was not sealed", name)
		}
	}
	return r
}

// check runs Check over what was recorded.
func (r *recorder) check(t testing.TB) Counts {
	t.Helper()
	c, err := Check(t.Context(), bytes.NewReader(r.tree()), bytes.NewReader(r.index()))
	if err != nil {
		t.Fatalf("Check: %v", err)
	}
	return c
}

// entries reads the recorded index.
func (r *recorder) entries(t testing.TB) map[string]Entry {
	t.Helper()
	x := NewIndexReader(bytes.NewReader(r.index()))
	all := map[string]Entry{}
	for {
		e, err := x.Next()
		if err != nil {
			if err.Error() != "EOF" {
				t.Fatal(err)
			}
			return all
		}
		all[e.Path] = e
	}
}
