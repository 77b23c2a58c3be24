package files

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/files"
	"holdfast/snapshot/source/files/filestest"
)

// A stored is a dump in memory, ready to be restored. wrap, if set, gets between a stream and
// its reader.
type stored struct {
	rec   *filestest.Recorder
	wrap  func(stream string, r io.Reader) io.Reader
	bytes atomic.Int64 // handed out
}

// store dumps the tree at path.
func store(t testing.TB, path string) *stored {
	t.Helper()
	rec := filestest.NewRecorder()
	if err := (&files.Source{Path: path}).Dump(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	return &stored{rec: rec}
}

// made is a dump of these very bytes, possible or not.
func made(tree, index string, rows int64) *stored {
	rec := filestest.NewRecorder()
	for name, data := range map[string]string{files.TreeStream: tree, files.IndexStream: index} {
		w := &filestest.Recorded{Rows: rows, Info: snapshot.Stream{Name: name}}
		w.Buffer.WriteString(data)
		rec.Streams[name] = w
	}
	rec.Streams[files.TreeStream].Facts, _ = json.Marshal(files.Facts{Root: "dir", Entries: rows})
	return &stored{rec: rec}
}

func (s *stored) Streams() []snapshot.StreamInfo {
	var all []snapshot.StreamInfo
	for _, name := range []string{files.TreeStream, files.IndexStream} {
		w := s.rec.Streams[name]
		all = append(all, snapshot.StreamInfo{
			Name: name, Format: w.Info.Format, Bytes: int64(w.Len()), Rows: w.Rows, Facts: w.Facts,
		})
	}
	return all
}

func (s *stored) Open(_ context.Context, stream string) (io.ReadCloser, error) {
	return s.reader(stream, s.rec.Streams[stream].Bytes()), nil
}

func (s *stored) OpenRange(_ context.Context, stream string, offset, length int64) (io.ReadCloser, error) {
	return s.reader(stream, s.rec.Streams[stream].Bytes()[offset:offset+length]), nil
}

func (s *stored) reader(stream string, data []byte) io.ReadCloser {
	var r io.Reader = bytes.NewReader(data)
	if s.wrap != nil {
		r = s.wrap(stream, r)
	}
	return io.NopCloser(io.TeeReader(r, (*tally)(&s.bytes)))
}

type tally atomic.Int64

func (t *tally) Write(p []byte) (int, error) {
	(*atomic.Int64)(t).Add(int64(len(p)))
	return len(p), nil
}

// breakAt makes a stream fail with err once n bytes were read.
func breakAt(name string, n int64, err error) func(string, io.Reader) io.Reader {
	return func(stream string, r io.Reader) io.Reader {
		if stream != name {
			return r
		}
		return io.MultiReader(io.LimitReader(r, n), failing{err})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func load(t testing.TB, target Target, d restore.Dump) restore.Loaded {
	t.Helper()
	if err := target.Preflight(t.Context(), d); err != nil {
		t.Fatalf("Preflight: %v", err)
	}
	loaded, err := target.Load(t.Context(), d)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return loaded
}

// noStaging fails the test if a staging folder is left beside path.
func noStaging(t testing.TB, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".holdfast-") {
			t.Errorf("%s was left", e.Name())
		}
	}
}

func writeTree(t testing.TB, dir string, tree map[string]string) {
	t.Helper()
	for name, data := range tree {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o640))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
