package snapshot

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Cache keeps copies of small immutable objects on this host, as they are stored: what is
// encrypted stays encrypted, what is signed is checked again. Losing it costs time only. A nil
// Cache, and one whose folder cannot be written, keep nothing.
type Cache struct{ Dir string }

func (c *Cache) file(vault, kind, name string) string { return filepath.Join(c.Dir, vault, kind, name) }

// read hands the object to use: first the cached copy, if there is one of the listed size and date,
// and if there is none or use refuses it, the object of the store, which is then cached.
func (c *Cache) read(ctx context.Context, s getter, vault, kind string, o Object, use func([]byte) error) error {
	name := cacheName(vault, o)
	if c != nil && c.Dir != "" {
		if b, err := os.ReadFile(c.file(vault, kind, name)); err == nil && int64(len(b)) == o.Size && use(b) == nil {
			return nil
		}
	}
	b, err := readSmall(ctx, s, o.Key, o.Size)
	if err != nil {
		return err
	}
	c.put(vault, kind, name, b)
	return use(b)
}

// cacheName tells versions of an object apart: one that was overwritten has another date.
func cacheName(vault string, o Object) string {
	key := strings.TrimPrefix(o.Key, vaultPrefix(vault))
	return fmt.Sprintf("%s.%d", strings.ReplaceAll(key, "/", "."), o.Modified.UnixNano())
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

// keep forgets every copy that is not of objects.
func (c *Cache) keep(vault, kind string, objects []Object) {
	if c == nil || c.Dir == "" {
		return
	}
	wanted := make(map[string]bool, len(objects))
	for _, o := range objects {
		wanted[cacheName(vault, o)] = true
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
