package auditlog

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot/source/auditlog/auditlogtest"
)

// settle makes the change time of what was written be past, which nothing can set.
func settle(t testing.TB) {
	t.Helper()
	time.Sleep(settled + 50*time.Millisecond)
}

func TestUnchangedFilesAreCarriedOverUnread(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	m := auditlogtest.NewMaker(30)
	write(t, dir, "audit.log-20261101.gz", gzipped(t, m.Lines(30)))
	write(t, dir, "audit.log-20261102", m.Lines(30))
	write(t, dir, "audit.log", m.Lines(10))
	settle(t)
	first := dump(t, path, nil)
	must(t, appendTo(path, m.Lines(5)))
	second := dump(t, path, first)

	x := second.index(t)
	want := []string{x.Files[0].Stream, x.Files[1].Stream}
	if diff := cmp.Diff(want, second.Carried); diff != "" {
		t.Errorf("carried: %s", diff)
	}
	again := dump(t, path, nil)
	if diff := cmp.Diff(again.facts(t), second.facts(t)); diff != "" {
		t.Errorf("counts with and without carrying over differ: %s", diff)
	}
	if len(second.Warnings) > 0 {
		t.Errorf("warnings: %q", second.Warnings)
	}
}

func TestFileAlteredBehindItsTimesIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	m := auditlogtest.NewMaker(31)
	write(t, dir, "audit.log.1", m.Lines(30))
	write(t, dir, "audit.log", m.Lines(10))
	info, err := os.Stat(path + ".1")
	must(t, err)
	settle(t)
	first := dump(t, path, nil)
	must(t, overwrite(path+".1", info.Size()-30))
	must(t, os.Chtimes(path+".1", info.ModTime(), info.ModTime())) // same size, same time, same inode
	second := dump(t, path, first)
	if len(second.Carried) != 1 || second.Carried[0] == first.index(t).Files[0].Stream {
		t.Errorf("carried %q", second.Carried)
	}
}

func TestFileThatJustChangedIsNotTrusted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	write(t, dir, "audit.log", auditlogtest.NewMaker(32).Lines(3))
	first := dump(t, path, nil)
	settle(t)
	if second := dump(t, path, first); len(second.Carried) > 0 {
		t.Error("a file was carried over that could have changed right after it was read")
	}
}

func TestLinesThatWereRemovedAreAWarning(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	m := auditlogtest.NewMaker(33)
	one, two, three := m.Lines(20), m.Lines(20), m.Lines(20)
	write(t, dir, "audit.log.2", one)
	write(t, dir, "audit.log.1", two)
	write(t, dir, "audit.log", three)
	first := dump(t, path, nil)
	for name, test := range map[string]struct {
		change func()
		want   string
	}{
		"the oldest expired": {func() { must(t, os.Remove(path+".2")) }, ""},
		"one in the middle":  {func() { must(t, os.Remove(path+".1")) }, "1 files of the snapshot before are gone"},
		"the end":            {func() { write(t, dir, "audit.log", three[:len(three)/2]) }, "1 files are shorter"},
		"the beginning":      {func() { write(t, dir, "audit.log.1", two[len(two)/2:]) }, "1 files of the snapshot before are gone"},
	} {
		write(t, dir, "audit.log.2", one)
		write(t, dir, "audit.log.1", two)
		write(t, dir, "audit.log", three)
		test.change()
		r := dump(t, path, first)
		if test.want == "" && len(r.Warnings) > 0 || test.want != "" && !warned(r, test.want) {
			t.Errorf("%s: warnings %q, want %q", name, r.Warnings, test.want)
		}
	}
}
