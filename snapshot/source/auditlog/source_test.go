package auditlog

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"holdfast/snapshot/source/auditlog/auditlogtest"
)

func TestRotatedFilesAreDumpedOldestFirstAndUnpacked(t *testing.T) {
	dir := t.TempDir()
	m := auditlogtest.NewMaker(1)
	parts := [][]byte{m.Lines(50), m.Lines(40), m.Lines(30), m.Lines(20), m.Lines(10)}
	write(t, dir, "audit.log-20261101.gz", gzipped(t, parts[0]))
	write(t, dir, "audit.log.3.zst", zstandard(t, parts[1]))
	write(t, dir, "audit-20261102.log", parts[2])
	write(t, dir, "audit.log.1", parts[3])
	write(t, dir, "audit.log", parts[4])
	write(t, dir, "audit.log.swp", []byte("of an editor"))
	write(t, dir, "audit.logger", []byte("of another program"))
	r := dump(t, filepath.Join(dir, "audit.log"), nil)

	x := r.index(t)
	var names []string
	for i, f := range x.Files {
		names = append(names, f.Name)
		if got := r.Part(f.Stream).Bytes(); !bytes.Equal(got, parts[i]) {
			t.Errorf("%s has %d bytes, not the %d that were logged", f.Name, len(got), len(parts[i]))
		}
	}
	want := []string{"audit.log-20261101", "audit.log.3", "audit-20261102.log", "audit.log.1", "audit.log"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if c := r.facts(t).Counts; c.Requests != 150 || c.Responses != 150 || c.Lines != 300 {
		t.Errorf("counted %d requests, %d responses in %d lines", c.Requests, c.Responses, c.Lines)
	}
	if len(r.Warnings) > 0 {
		t.Errorf("warnings: %q", r.Warnings)
	}
}

func TestStreamKeepsItsNameThroughRotation(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "audit.log")
	m := auditlogtest.NewMaker(2)
	first := m.Lines(20)
	write(t, dir, "audit.log", first)
	before := dump(t, log, nil).index(t).Files[0].Stream

	must(t, os.Rename(log, log+".1"))
	write(t, dir, "audit.log.2.gz", gzipped(t, first))
	must(t, os.Remove(log+".1"))
	write(t, dir, "audit.log", m.Lines(5))
	x := dump(t, log, nil).index(t)
	if x.Files[0].Stream != before || x.Files[0].Name != "audit.log.2" || len(x.Files) != 2 {
		t.Errorf("after rotation: %+v, it was %s", x.Files, before)
	}
}

func TestUnfinishedLastLineIsLeftForTheNextSnapshot(t *testing.T) {
	dir := t.TempDir()
	whole, next := auditlogtest.NewMaker(3).Lines(10), auditlogtest.NewMaker(4).Lines(1)
	write(t, dir, "audit.log", append(bytes.Clone(whole), next[:100]...))
	r := dump(t, filepath.Join(dir, "audit.log"), nil)
	stream := r.Part(r.index(t).Files[0].Stream)
	if !bytes.Equal(stream.Bytes(), whole) {
		t.Error("what was dumped is not the whole lines")
	}
	var facts FileFacts
	must(t, json.Unmarshal(stream.Info.Facts, &facts))
	if facts.Left != 100 || len(r.Warnings) > 0 {
		t.Errorf("%d bytes left, warnings %q", facts.Left, r.Warnings)
	}
}

func TestRotatedFileThatEndsInALineIsAWarning(t *testing.T) {
	dir := t.TempDir()
	m := auditlogtest.NewMaker(3)
	write(t, dir, "audit.log.1", append(m.Lines(10), `{"type":"requ`...))
	write(t, dir, "audit.log", m.Lines(3))
	r := dump(t, filepath.Join(dir, "audit.log"), nil)
	if !warned(r, "1 rotated files end in the middle of a line") {
		t.Errorf("warnings: %q", r.Warnings)
	}
}

func TestLinesThatAreNoEntriesAreKeptAndCounted(t *testing.T) {
	dir := t.TempDir()
	text := append([]byte("\x00\x00 not JSON\n{\"type\":\"request\"}\n"), auditlogtest.NewMaker(5).Lines(3)...)
	write(t, dir, "audit.log", text)
	r := dump(t, filepath.Join(dir, "audit.log"), nil)
	if got := r.Part(r.index(t).Files[0].Stream).Bytes(); !bytes.Equal(got, text) {
		t.Error("the lines were not kept as they were")
	}
	if !warned(r, "2 of 8 lines are no audit entries") {
		t.Errorf("warnings: %q", r.Warnings)
	}
}

func TestFilesThatAreNoLogAreRefused(t *testing.T) {
	entries := auditlogtest.NewMaker(6).Lines(3)
	for name, test := range map[string]struct {
		files map[string][]byte
		want  error
	}{
		"no file":                {nil, ErrEmpty},
		"only an empty file":     {map[string][]byte{"audit.log": nil}, ErrEmpty},
		"only half a line":       {map[string][]byte{"audit.log": entries[:50]}, ErrEmpty},
		"no entry":               {map[string][]byte{"audit.log": []byte("a line\n{\"level\":\"info\"}\n")}, ErrNotAudit},
		"one of two has none":    {map[string][]byte{"audit.log": entries, "audit.log.1": []byte("a line\n")}, ErrNotAudit},
		"a packing not known":    {map[string][]byte{"audit.log": entries, "audit.log.1.xz": []byte("\xfd7zXZ\x00...")}, ErrCompression},
		"a copy":                 {map[string][]byte{"audit.log": entries, "audit.log.1": entries}, ErrChanged},
		"a line without an end":  {map[string][]byte{"audit.log": append(entries, bytes.Repeat([]byte("x"), MaxLine+1)...)}, ErrLongLine},
		"half of a packed file":  {map[string][]byte{"audit.log": entries, "audit.log.1.gz": gzipped(t, auditlogtest.NewMaker(7).Lines(900))[:60000]}, errAny},
		"noise behind a gz file": {map[string][]byte{"audit.log": entries, "audit.log.1.gz": append(gzipped(t, auditlogtest.NewMaker(7).Lines(9)), "noise"...)}, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, data := range test.files {
				write(t, dir, name, data)
			}
			s := Source{Path: filepath.Join(dir, "audit.log")}
			err := s.Dump(t.Context(), &auditlogtest.Recorder{})
			if err == nil || test.want != errAny && !errors.Is(err, test.want) {
				t.Errorf("Dump: %v, want %v", err, test.want)
			}
		})
	}
}

// errAny stands for an error without a sentinel.
var errAny = errors.New("any error")

func TestFileBeingPackedIsTakenOnce(t *testing.T) {
	dir := t.TempDir()
	m := auditlogtest.NewMaker(8)
	text := m.Lines(40)
	write(t, dir, "audit.log.1", text)
	write(t, dir, "audit.log", m.Lines(2))
	for name, half := range map[string][]byte{"nothing": nil, "a header": gzipped(t, text)[:8], "all": gzipped(t, text)} {
		write(t, dir, "audit.log.1.gz", half)
		r := dump(t, filepath.Join(dir, "audit.log"), nil)
		if c := r.facts(t); c.Files != 2 || c.Counts.Requests != 42 {
			t.Errorf("%s of it packed: %d files with %d requests", name, c.Files, c.Counts.Requests)
		}
	}
}

func TestLinksToTheLogAreTakenOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "audit.log", auditlogtest.NewMaker(9).Lines(4))
	must(t, os.Symlink("audit.log", filepath.Join(dir, "audit-today.log")))
	r := dump(t, filepath.Join(dir, "audit*.log"), nil)
	if c := r.facts(t); c.Files != 1 || c.Counts.Requests != 4 {
		t.Errorf("%d files with %d requests", c.Files, c.Counts.Requests)
	}
}

func TestSymlinkLeadsToItsRotatedFilesToo(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	m := auditlogtest.NewMaker(9)
	write(t, dir, "audit.log.1", m.Lines(4))
	write(t, dir, "audit.log", m.Lines(4))
	must(t, os.Symlink(filepath.Join(dir, "audit.log"), filepath.Join(other, "vault.log")))
	if r := dump(t, filepath.Join(other, "vault.log"), nil); r.facts(t).Files != 2 {
		t.Errorf("%d files", r.facts(t).Files)
	}
}

func TestLogThatIsRotatedAwayIsDumpedWithAWarning(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "audit.log.1", auditlogtest.NewMaker(9).Lines(4))
	s := Source{Path: filepath.Join(dir, "audit.log")}
	if r := dump(t, s.Path, nil); !warned(r, noLog) {
		t.Errorf("warnings: %q", r.Warnings)
	}
	if warnings, err := s.Preflight(t.Context()); err != nil || !slices.Equal(warnings, []string{noLog}) {
		t.Errorf("Preflight: %q, %v", warnings, err)
	}
}

func TestCanceledDumpEnds(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "audit.log", auditlogtest.NewMaker(11).Lines(3000))
	ctx, cancel := context.WithCancelCause(t.Context())
	r := &auditlogtest.Recorder{}
	cause := errors.New("the lease was lost")
	r.Wrote = func(string, int) error { cancel(cause); return nil }
	s := Source{Path: filepath.Join(dir, "audit.log")}
	if err := s.Dump(ctx, r); !errors.Is(err, cause) {
		t.Errorf("Dump: %v", err)
	}
}

func TestRawDeviceIsCalledOutWithoutItsValues(t *testing.T) {
	dir := t.TempDir()
	m := auditlogtest.NewMaker(10)
	write(t, dir, "audit.log", append(m.Lines(5), m.Pair(auditlogtest.Request{Raw: true})...))
	r := dump(t, filepath.Join(dir, "audit.log"), nil)
	if !warned(r, "2 entries have tokens in the clear") || !warned(r, "2 entries have values in the clear") {
		t.Errorf("warnings: %q", r.Warnings)
	}
	if all := string(r.Part(IndexStream).Info.Facts) + strings.Join(r.Warnings, " "); strings.Contains(all, "in-the-clear") {
		t.Error("a value came out of the log")
	}
}

// dump dumps path and fails the test if that fails.
func dump(t testing.TB, path string, before *recorder) *recorder {
	t.Helper()
	r := &recorder{}
	if before != nil {
		r.Before = &before.Recorder
	}
	s := Source{Path: path}
	if err := s.Dump(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if names := r.Unsealed(); len(names) > 0 {
		t.Fatalf("not sealed: %q", names)
	}
	return r
}

type recorder struct{ auditlogtest.Recorder }

func (r *recorder) index(t testing.TB) Index {
	t.Helper()
	x, err := ReadIndex(bytes.NewReader(r.Part(IndexStream).Bytes()))
	must(t, err)
	return x
}

func (r *recorder) facts(t testing.TB) Facts {
	t.Helper()
	var f Facts
	must(t, json.Unmarshal(r.Part(IndexStream).Info.Facts, &f))
	return f
}

func warned(r *recorder, text string) bool {
	return slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, text) })
}

// write writes a file whose times are past, as those of a log at rest.
func write(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.WriteFile(path, data, 0o600))
	at := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(path, at, at))
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

func zstandard(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	must(t, err)
	return w.EncodeAll(data, nil)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
