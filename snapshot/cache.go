package snapshot

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
)

// A Cache keeps copies of small immutable objects on this host, as they are stored: what is
// encrypted stays encrypted, what is signed is checked again. Losing it costs time only. A nil
// Cache, and one whose folder cannot be written, keep nothing.
type Cache struct{ Dir string }

func (c *Cache) file(vault, kind, name string) string { return filepath.Join(c.Dir, vault, kind, name) }

// get returns the object from the cache if a copy of the listed size is there under name,
// else from s.
func (c *Cache) get(ctx context.Context, s getter, vault, kind, name string, o Object) ([]byte, error) {
	if c != nil && c.Dir != "" {
		if b, err := os.ReadFile(c.file(vault, kind, name)); err == nil && int64(len(b)) == o.Size {
			return b, nil
		}
	}
	b, err := readSmall(ctx, s, o.Key, o.Size)
	if err == nil {
		c.put(vault, kind, name, b)
	}
	return b, err
}

// put writes a copy. It is not synced: a torn copy is found by its size or its checks.
func (c *Cache) put(vault, kind, name string, b []byte) {
	if c == nil || c.Dir == "" {
		return
	}
	file := c.file(vault, kind, name)
	if os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".tmp-")
	if err != nil {
		return
	}
	_, err = f.Write(b)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil || os.Rename(f.Name(), file) != nil {
		os.Remove(f.Name())
	}
}

// drop forgets one copy.
func (c *Cache) drop(vault, kind, name string) {
	if c != nil && c.Dir != "" {
		os.Remove(c.file(vault, kind, name))
	}
}

// keep forgets every copy whose name is not wanted.
func (c *Cache) keep(vault, kind string, wanted map[string]bool) {
	if c == nil || c.Dir == "" {
		return
	}
	dir := filepath.Join(c.Dir, vault, kind)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Type() == fs.FileMode(0) && !wanted[e.Name()] {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
