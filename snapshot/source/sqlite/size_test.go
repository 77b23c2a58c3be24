package sqlite

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSizeCountsFileAndWAL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	s := &Source{Path: path}
	if _, err := s.Size(t.Context()); err == nil {
		t.Error("a missing file has a size")
	}
	for _, f := range []struct {
		name string
		size int
		want int64
	}{{path, 8192, 8192}, {path + "-wal", 100, 8292}} {
		if err := os.WriteFile(f.name, make([]byte, f.size), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Size(t.Context()); err != nil || n != f.want {
			t.Errorf("%d, %v", n, err)
		}
	}
}
