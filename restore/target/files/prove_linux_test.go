package files

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/snapshot/source/files"
)

// What is on disk is tampered with behind the back of a restore that goes on.
func TestRestoreNoticesThatTheDiskHoldsSomethingElse(t *testing.T) {
	for name, tamper := range map[string]func(tree string) error{
		"data altered": func(tree string) error { return poke(filepath.Join(tree, "dir/large")) },
		"data longer":  func(tree string) error { return os.Truncate(filepath.Join(tree, "dir/large"), 3<<20) },
		"file added":   func(tree string) error { return os.WriteFile(filepath.Join(tree, "dir/new"), nil, 0o600) },
		"file removed": func(tree string) error { return os.Remove(filepath.Join(tree, "dir/first")) },
	} {
		source := filepath.Join(t.TempDir(), "tree")
		writeTree(t, source, map[string]string{"dir/first": "x", "dir/large": strings.Repeat("large", 400_000)})
		d := store(t, source)
		to := filepath.Join(t.TempDir(), "to")
		d.wrap = func(stream string, r io.Reader) io.Reader {
			if stream != files.TreeStream {
				return r
			}
			return io.MultiReader(io.LimitReader(r, 1<<20), &once{func() {
				trees, err := filepath.Glob(filepath.Join(filepath.Dir(to), ".holdfast-*", treeName))
				must(t, err)
				must(t, tamper(trees[0]))
			}}, r)
		}
		if _, err := (&Target{Path: to}).Load(t.Context(), d); err == nil {
			t.Errorf("%s: the restore was accepted", name)
		}
		if _, err := os.Lstat(to); err == nil {
			t.Errorf("%s: a target was made", name)
		}
		noStaging(t, to)
	}
}

// once is a reader of nothing that does something when it is come to.
type once struct{ do func() }

func (o *once) Read([]byte) (int, error) {
	o.do()
	return 0, io.EOF
}

func poke(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte("POKE"), 0); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
