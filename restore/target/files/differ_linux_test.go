package files

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/restore"
)

func TestDiffNamesWhatARestoreWouldBringBackOtherwise(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a/same", "same")
	write("a/gone", "gone")
	write("a.txt", "before")
	write("z/mode", "mode")
	before := store(t, dir)
	write("a.txt", "afterwards")
	write("a/b/new", "new")
	if err := os.Remove(filepath.Join(dir, "a/gone")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "z/mode"), 0o640); err != nil {
		t.Fatal(err)
	}
	got, err := Diff(t.Context(), before, store(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	want := []restore.Change{
		{Name: "a/b", Change: "added", Detail: "dir, 0 bytes"},
		{Name: "a/b/new", Change: "added", Detail: "file, 3 bytes"},
		{Name: "a/gone", Change: "removed", Detail: "file, 4 bytes"},
		{Name: "a.txt", Change: "changed", Detail: "file, 10 bytes (+4)"},
		{Name: "z/mode", Change: "changed", Detail: "attributes"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
