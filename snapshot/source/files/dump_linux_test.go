package files

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"holdfast/snapshot"
	"holdfast/snapshot/source/files/filestest"
)

func TestGNUTarRestoresEveryAttribute(t *testing.T) {
	dir := filestest.OddTree(t)
	want := filestest.Describe(t, dir)
	r := dump(t, Source{Path: dir})

	list := exec.Command("tar", "-tvf", "-")
	list.Stdin = bytes.NewReader(r.tree())
	out, err := list.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "zz-linked link to a/linked-too") {
		t.Fatalf("tar -t: %v\n%s", err, out)
	}
	to := t.TempDir()
	extract := exec.Command("tar", "-xpSf", "-", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", to)
	extract.Stdin = bytes.NewReader(r.tree())
	if out, err := extract.CombinedOutput(); err != nil {
		t.Fatalf("tar -x: %v\n%s", err, out)
	}
	if diff := cmp.Diff(want, filestest.Describe(t, to)); diff != "" {
		t.Errorf("extracted by GNU tar (-want +got):\n%s", diff)
	}
}

func TestUnchangedTreeDumpsToEqualBytes(t *testing.T) {
	dir := filestest.OddTree(t)
	first := dump(t, Source{Path: dir})
	if _, err := os.ReadFile(filepath.Join(dir, "plain")); err != nil { // touches the access time
		t.Fatal(err)
	}
	second := dump(t, Source{Path: dir})
	if !bytes.Equal(first.tree(), second.tree()) || !bytes.Equal(first.index(), second.index()) {
		t.Error("two dumps of an unchanged tree differ")
	}
}

func TestIndexFindsEveryFileInTheTree(t *testing.T) {
	r := dump(t, Source{Path: filestest.OddTree(t)})
	counts := r.check(t)
	found := 0
	for path, e := range r.entries(t) {
		if !e.HasData() {
			continue
		}
		found++
		if sum := sha256.Sum256(r.tree()[e.Offset : e.Offset+e.Size]); sum != e.SHA256 {
			t.Errorf("%q: the range of the index holds something else", path)
		}
	}
	if rows := r.Streams[TreeStream].Rows; found < 20 || rows != counts.Entries || r.facts(t).Entries != rows || r.Streams[IndexStream].Rows != 0 {
		t.Errorf("%d files, %d rows, %d checked, facts %+v", found, rows, counts.Entries, r.facts(t))
	}
	if got := r.Told.Server.Product; got != "files" {
		t.Errorf("product %q", got)
	}
}

func TestSparseFileIsMarkedAndCountedByItsData(t *testing.T) {
	dir := t.TempDir()
	filestest.SparseFile(t, filepath.Join(dir, "big"), 64<<20)
	must(t, os.WriteFile(filepath.Join(dir, "zeros"), make([]byte, 64<<10), 0o600))
	r := dump(t, Source{Path: dir})
	r.check(t)
	entries := r.entries(t)
	if big := entries["big"]; !big.Sparse || big.Size != 64<<20 || entries["zeros"].Sparse {
		t.Errorf("entries %+v", entries)
	}
	if space := r.facts(t).Space; space > 1<<20 {
		t.Errorf("space %d counts holes", space)
	}
	data, err := os.ReadFile(filepath.Join(dir, "big"))
	must(t, err)
	if e := entries["big"]; !bytes.Equal(data, r.tree()[e.Offset:e.Offset+e.Size]) {
		t.Error("the hole was not dumped as zeros")
	}
}

func TestSingleFileIsATreeOfOne(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "master.key")
	must(t, os.WriteFile(file, []byte("key"), 0o600))
	must(t, os.Symlink(file, filepath.Join(dir, "link")))
	for _, path := range []string{file, filepath.Join(dir, "link")} {
		r := dump(t, Source{Path: path})
		r.check(t)
		if e, ok := r.entries(t)["master.key"]; !ok || e.Size != 3 || r.facts(t).Root != "file" {
			t.Errorf("dump of %s: %+v, %+v", path, r.entries(t), r.facts(t))
		}
	}
}

func TestEmptyOrMissingSourceIsAnError(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for name, want := range map[string]error{"empty": ErrEmpty, "file": ErrEmpty, "missing": fs.ErrNotExist} {
		if err := (&Source{Path: filepath.Join(dir, name)}).Dump(t.Context(), newRecorder()); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	err := (&Source{Path: dir, Exclude: []string{"**"}}).Dump(t.Context(), newRecorder())
	if !errors.Is(err, ErrEmpty) {
		t.Errorf("all excluded: %v", err)
	}
	dump(t, Source{Path: filepath.Join(dir, "empty"), AllowEmpty: true}).check(t)
}

func TestExcludedAndSocketsAreLeftOut(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"keep/a", "keep/a.tmp", "cache/x/y", "keep/cache/z"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600))
	}
	l, err := net.Listen("unix", filepath.Join(dir, "sock"))
	must(t, err)
	defer l.Close()
	r := dump(t, Source{Path: dir, Exclude: []string{"cache", "**/*.tmp"}})
	var got []string
	for path := range r.entries(t) {
		got = append(got, path)
	}
	want := map[string]bool{".": true, "keep": true, "keep/a": true, "keep/cache": true, "keep/cache/z": true}
	for _, path := range got {
		if !want[path] {
			t.Errorf("%q was dumped", path)
		}
	}
	if len(got) != len(want) || r.facts(t).Sockets != 1 || len(r.Warnings) != 1 {
		t.Errorf("%q, %+v, warnings %q", got, r.facts(t), r.Warnings)
	}
}

func TestOtherFileSystemsAreNotEnteredIfSo(t *testing.T) {
	dir := t.TempDir()
	mnt := filepath.Join(dir, "mnt")
	must(t, os.Mkdir(mnt, 0o700))
	if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("mounting takes root: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(mnt, 0)) })
	must(t, os.WriteFile(filepath.Join(mnt, "inside"), []byte("x"), 0o600))
	one := dump(t, Source{Path: dir, OneFileSystem: true})
	both := dump(t, Source{Path: dir})
	if len(one.entries(t)) != 2 || one.facts(t).Mounts != 1 || len(one.Warnings) != 1 || len(both.entries(t)) != 3 {
		t.Errorf("one %d entries %+v, both %d", len(one.entries(t)), one.facts(t), len(both.entries(t)))
	}
}

func TestUnreadableEntryIsAnError(t *testing.T) {
	for _, name := range []string{"secret", "dir/secret"} {
		dir := t.TempDir()
		must(t, os.Chmod(dir, 0o755))
		must(t, os.Chmod(filepath.Dir(dir), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "readable"), []byte("x"), 0o644))
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0))
		if name != "secret" {
			must(t, os.Chmod(filepath.Join(dir, "dir"), 0))
			t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "dir"), 0o700) })
		}
		filestest.AsNobody(t, func() {
			err := (&Source{Path: dir, OnChange: "warn"}).Dump(t.Context(), newRecorder())
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestUnknownPolicyIsRefused(t *testing.T) {
	for _, s := range []Source{{OnChange: "ignore"}, {Retries: -1}, {Exclude: []string{"["}}} {
		s.Path = t.TempDir()
		if err := s.Dump(t.Context(), newRecorder()); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}

func TestFailedStreamEndsTheDump(t *testing.T) {
	dir := filestest.OddTree(t)
	full := errors.New("no room")
	err := (&Source{Path: dir}).Dump(t.Context(), &fullDump{recorder: newRecorder(), err: full})
	if !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
}

type fullDump struct {
	*recorder
	err error
}

type fullWriter struct {
	snapshot.StreamWriter
	err error
}

func (f fullWriter) Write([]byte) (int, error) { return 0, f.err }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
