package files

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast/snapshot"
)

var _ snapshot.Sized = (*Source)(nil)

func TestSizeIsAboutThatOfTheDump(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "data"), make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := (&Source{Path: dir}).Size(t.Context())
	if err != nil || n < 3<<20 || n > 4<<20 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := (&Source{Path: filepath.Join(dir, "missing")}).Size(t.Context()); err == nil {
		t.Error("a missing tree has a size")
	}
}
