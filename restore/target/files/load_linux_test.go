package files

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/files"
	"holdfast/snapshot/source/files/filestest"
)

func TestRestoredTreeHasEveryAttribute(t *testing.T) {
	dir := filestest.OddTree(t)
	want := filestest.Describe(t, dir)
	d := store(t, dir)
	to := filepath.Join(t.TempDir(), "to")
	loaded := load(t, Target{Path: to}, d)
	if diff := cmp.Diff(want, filestest.Describe(t, to)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	if len(loaded.Notes) != 0 || loaded.Place != to || loaded.Streams[0].Rows != d.Streams()[0].Rows ||
		loaded.Streams[0].Bytes != d.Streams()[0].Bytes || loaded.Streams[1].Bytes != d.Streams()[1].Bytes {
		t.Errorf("loaded %+v of %+v", loaded, d.Streams())
	}
	noStaging(t, to)
	again := store(t, to)
	for name, w := range d.rec.Streams {
		if !bytes.Equal(w.Bytes(), again.rec.Streams[name].Bytes()) {
			t.Errorf("a dump of the restored tree has another %s", name)
		}
	}
	if _, err := (Checker{}).Check(t.Context(), d); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func TestHolesAreRestoredAsHoles(t *testing.T) {
	dir := t.TempDir()
	filestest.SparseFile(t, filepath.Join(dir, "sparse"), 64<<20)
	must(t, os.WriteFile(filepath.Join(dir, "zeros"), make([]byte, 1<<20), 0o600))
	to := filepath.Join(t.TempDir(), "to")
	load(t, Target{Path: to}, store(t, dir))
	var sparse, full unix.Stat_t
	must(t, unix.Stat(filepath.Join(to, "sparse"), &sparse))
	must(t, unix.Stat(filepath.Join(to, "zeros"), &full))
	if sparse.Blocks*512 > 64<<10 || full.Blocks*512 < 1<<20 {
		t.Errorf("sparse file has %d blocks, full one %d", sparse.Blocks, full.Blocks)
	}
	if diff := cmp.Diff(filestest.Describe(t, dir), filestest.Describe(t, to)); diff != "" {
		t.Error(diff)
	}
}

func TestSingleFileIsRestoredAsTheTarget(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "master.key")
	must(t, os.WriteFile(file, []byte("key"), 0o600))
	d := store(t, file)
	load(t, Target{Path: filepath.Join(dir, "copy")}, d)
	if data, err := os.ReadFile(filepath.Join(dir, "copy")); err != nil || string(data) != "key" {
		t.Errorf("%q, %v", data, err)
	}
	must(t, os.WriteFile(file, []byte("newer"), 0o644))
	if _, err := (&Target{Path: file}).Load(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("over a file: %v", err)
	}
	if _, err := (&Target{Path: dir}).Load(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("over a folder: %v", err)
	}
	load(t, Target{Path: file, Replace: true}, d)
	if data, err := os.ReadFile(file); err != nil || string(data) != "key" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestOccupiedTargetIsLeftAlone(t *testing.T) {
	d := store(t, filestest.OddTree(t))
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{"full/x": "x", "file": "f"})
	must(t, os.Symlink("nowhere", filepath.Join(dir, "link")))
	before := filestest.Describe(t, dir)
	for _, name := range []string{"full", "file", "link"} {
		target := Target{Path: filepath.Join(dir, name)}
		if err := target.Preflight(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
			t.Errorf("Preflight of %s: %v", name, err)
		}
		if _, err := target.Load(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
			t.Errorf("Load over %s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, filestest.Describe(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestReplaceExchangesTheWholeTree(t *testing.T) {
	source := filestest.OddTree(t)
	d := store(t, source)
	want := filestest.Describe(t, source)
	for _, name := range []string{"exchange", "fallback"} {
		t.Run(name, func(t *testing.T) {
			if name == "fallback" {
				withoutFlags(t)
			}
			to := filepath.Join(t.TempDir(), "to")
			writeTree(t, to, map[string]string{"old/file": "old", "plain": "old"})
			load(t, Target{Path: to, Replace: true}, d)
			if diff := cmp.Diff(want, filestest.Describe(t, to)); diff != "" {
				t.Error(diff)
			}
			noStaging(t, to)
		})
	}
}

// withoutFlags makes this a file system whose renames know no flags.
func withoutFlags(t *testing.T) {
	renameat2 = func(int, string, int, string, uint) error { return unix.EINVAL }
	t.Cleanup(func() { renameat2 = unix.Renameat2 })
}

func TestEmptyFolderIsAPlaceForATree(t *testing.T) {
	source := filestest.OddTree(t)
	d := store(t, source)
	for _, flags := range []bool{true, false} {
		to := t.TempDir()
		if !flags {
			withoutFlags(t)
		}
		load(t, Target{Path: to}, d)
		if diff := cmp.Diff(filestest.Describe(t, source), filestest.Describe(t, to)); diff != "" {
			t.Error(diff)
		}
		noStaging(t, to)
	}
}

// Something comes into the empty target while the tree is being written beside it.
func TestTargetThatFillsUpMeanwhileIsLeftAlone(t *testing.T) {
	source := filestest.OddTree(t)
	for _, flags := range []bool{true, false} {
		for _, empty := range []bool{true, false} {
			d := store(t, source)
			if !flags {
				withoutFlags(t)
			}
			to := filepath.Join(t.TempDir(), "to")
			if empty {
				must(t, os.Mkdir(to, 0o755))
			}
			d.wrap = func(stream string, r io.Reader) io.Reader {
				if stream == files.TreeStream {
					writeTree(t, to, map[string]string{"precious": "precious"})
				}
				return r
			}
			_, err := (&Target{Path: to}).Load(t.Context(), d)
			if !errors.Is(err, restore.ErrOccupied) {
				t.Errorf("flags %t, empty %t: %v", flags, empty, err)
			}
			if data, err := os.ReadFile(filepath.Join(to, "precious")); err != nil || string(data) != "precious" {
				t.Errorf("flags %t, empty %t: %q, %v", flags, empty, data, err)
			}
			noStaging(t, to)
		}
	}
}

func TestRehearsalKeepsNothing(t *testing.T) {
	d := store(t, filestest.OddTree(t))
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{"full/x": "x"})
	before := filestest.Describe(t, dir)
	loaded := load(t, Target{Path: filepath.Join(dir, "to"), Rehearse: true}, d)
	load(t, Target{Path: filepath.Join(dir, "full"), Rehearse: true, Replace: true}, d)
	after := filestest.Describe(t, dir)
	delete(before, ".") // its time shows that something came and went
	delete(after, ".")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	if loaded.Streams[0].Rows != d.Streams()[0].Rows {
		t.Errorf("loaded %+v", loaded)
	}
	d.rec.Streams[files.TreeStream].Rows++
	if _, err := (&Target{Path: filepath.Join(dir, "to"), Rehearse: true}).Load(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("rehearsal of a dump with a wrong count: %v", err)
	}
}

func TestBrokenStreamLeavesTheTargetAsItWas(t *testing.T) {
	d := store(t, filestest.OddTree(t))
	lost := errors.New("connection lost")
	for _, stream := range []string{files.TreeStream, files.IndexStream} {
		size := int64(d.rec.Streams[stream].Len())
		for _, at := range []int64{0, 1, size / 3, size / 2, size - 1, size} {
			dir := t.TempDir()
			to := filepath.Join(dir, "to")
			writeTree(t, to, map[string]string{"precious": "precious"})
			before := filestest.Describe(t, to)
			d.wrap = breakAt(stream, at, lost)
			if _, err := (&Target{Path: to, Replace: true}).Load(t.Context(), d); !errors.Is(err, lost) {
				t.Errorf("%s lost at %d of %d: %v", stream, at, size, err)
			}
			if diff := cmp.Diff(before, filestest.Describe(t, to)); diff != "" {
				t.Error(diff)
			}
			noStaging(t, to)
		}
	}
}
