package auditlog

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/restore"
	"holdfast/snapshot/source/auditlog"
	"holdfast/snapshot/source/auditlog/auditlogtest"
)

// files are those of a log, by name.
type files map[string][]byte

// modified is when all of them were.
var modified = time.Date(2026, 11, 20, 3, 4, 5, 678, time.UTC)

// dumped writes files into a folder and dumps audit.log there.
func dumped(t testing.TB, f files) *auditlogtest.Recorder {
	t.Helper()
	dir := t.TempDir()
	for name, data := range f {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, data, 0o644))
		must(t, os.Chtimes(path, modified, modified))
	}
	r := &auditlogtest.Recorder{}
	must(t, (&auditlog.Source{Path: filepath.Join(dir, "audit.log")}).Dump(t.Context(), r))
	return r
}

// sample is a log of three files.
func sample(t testing.TB) (*auditlogtest.Recorder, files) {
	m := auditlogtest.NewMaker(1)
	f := files{"audit.log.2": m.Lines(300), "audit.log.1": m.Lines(200), "audit.log": m.Lines(100)}
	return dumped(t, f), f
}

// stream returns the stream that begins with the first line of data.
func stream(t testing.TB, r *auditlogtest.Recorder, data []byte) *auditlogtest.Recorded {
	t.Helper()
	for _, info := range r.Streams() {
		if bytes.HasPrefix(data, r.Part(info.Name).Bytes()[:200]) {
			return r.Part(info.Name)
		}
	}
	t.Fatal("no such stream")
	return nil
}

// breakAt makes every stream of a file fail with err once n bytes were read.
func breakAt(n int64, err error) func(string, io.Reader) io.Reader {
	return func(stream string, r io.Reader) io.Reader {
		if stream == auditlog.IndexStream {
			return r
		}
		return io.MultiReader(io.LimitReader(r, n), failing{err})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func load(t testing.TB, target Target, d restore.Dump) restore.Loaded {
	t.Helper()
	loaded, err := restore.Run(t.Context(), d, &target)
	must(t, err)
	return loaded
}

// folder reads all files of a folder.
func folder(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	all := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		all[e.Name()] = string(data)
	}
	return all
}

func (f files) text() map[string]string {
	all := map[string]string{}
	for name, data := range f {
		all[name] = string(data)
	}
	return all
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
