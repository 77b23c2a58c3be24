package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"holdfast/restore"
	"holdfast/snapshot/source/files"
	"holdfast/snapshot/source/files/filestest"
)

func TestPartIsRestoredByRanges(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	tree := map[string]string{}
	for i := range 40 {
		tree[fmt.Sprintf("secrets/%02d.json", i)] = strings.Repeat(fmt.Sprint(i), 50_000)
	}
	tree["config/app/settings"] = "settings"
	writeTree(t, dir, tree)
	must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o700))
	must(t, os.Chmod(filepath.Join(dir, "config"), 0o711))
	must(t, os.Link(filepath.Join(dir, "secrets/07.json"), filepath.Join(dir, "x-linked")))
	must(t, os.Link(filepath.Join(dir, "secrets/07.json"), filepath.Join(dir, "y-linked")))
	all := filestest.Describe(t, dir)
	d := store(t, dir)
	index := int64(d.rec.Streams[files.IndexStream].Len())
	for _, c := range []struct {
		only  []string
		paths string
		rows  int64 // without the folders that only lead there
	}{
		{[]string{"config"}, ". config config/app config/app/settings", 3},
		{[]string{"config/app/settings"}, ". config config/app config/app/settings", 1},
		{[]string{"secrets/0[12].json", "empty"}, ". empty secrets secrets/01.json secrets/02.json", 3},
		{[]string{"**/39.json", "**/00.json"}, ". secrets secrets/00.json secrets/39.json", 2},
		{[]string{"secrets/07.json", "x-linked"}, ". secrets secrets/07.json x-linked", 2},
	} {
		d.bytes.Store(0)
		to := filepath.Join(t.TempDir(), "to")
		target := Target{Path: to, Only: c.only}
		loaded, err := target.Load(t.Context(), d)
		must(t, err)
		want := map[string]string{}
		var data int64
		for path := range strings.FieldsSeq(c.paths) {
			want[path] = all[path]
			data += int64(len(tree[path]))
		}
		if diff := cmp.Diff(want, filestest.Describe(t, to)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.only, diff)
		}
		if got := d.bytes.Load(); got > data+index+maxGap {
			t.Errorf("%q: %d bytes were read for %d", c.only, got, data)
		}
		counted := []restore.LoadedStream{{Name: files.TreeStream, Rows: c.rows, Bytes: data}}
		if diff := cmp.Diff(counted, loaded.Streams); diff != "" {
			t.Errorf("%q: loaded (-want +got):\n%s", c.only, diff)
		}
		must(t, os.RemoveAll(to))
		must(t, target.Preflight(t.Context(), d))
	}
}

func TestLinkWhoseFirstNameIsNotChosenIsACopy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	writeTree(t, dir, map[string]string{"a": "shared content"})
	must(t, os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "x")))
	must(t, os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "y")))
	to := filepath.Join(t.TempDir(), "to")
	load(t, Target{Path: to, Only: []string{"x", "y", "nothing-like-it"}}, store(t, dir))
	var x, y unix.Stat_t
	must(t, unix.Stat(filepath.Join(to, "x"), &x))
	must(t, unix.Stat(filepath.Join(to, "y"), &y))
	data, err := os.ReadFile(filepath.Join(to, "y"))
	must(t, err)
	if x.Ino != y.Ino || x.Nlink != 2 || string(data) != "shared content" {
		t.Errorf("x %+v, y %+v, %q", x, y, data)
	}
}

func TestPartIsRefusedWhereItCannotBeMeant(t *testing.T) {
	d := store(t, filestest.OddTree(t))
	dir := t.TempDir()
	none := Target{Path: filepath.Join(dir, "to"), Only: []string{"no-such", "*/no-such"}}
	if _, err := none.Load(t.Context(), d); !errors.Is(err, ErrNoMatch) {
		t.Errorf("Load: %v", err)
	}
	if err := none.Preflight(t.Context(), d); !errors.Is(err, ErrNoMatch) {
		t.Errorf("Preflight: %v", err)
	}
	writeTree(t, dir, map[string]string{"full/x": "x"})
	over := Target{Path: filepath.Join(dir, "full"), Only: []string{"plain"}, Replace: true}
	if _, err := over.Load(t.Context(), d); err == nil {
		t.Error("a part replaced a whole tree")
	}
	loaded := load(t, Target{Path: filepath.Join(dir, "to"), Only: []string{"no-such", "plain"}}, d)
	if len(loaded.Notes) != 1 || !strings.Contains(loaded.Notes[0], "no-such") {
		t.Errorf("notes %q", loaded.Notes)
	}
	noStaging(t, over.Path)
}
