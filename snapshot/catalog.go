package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sync/errgroup"
)

// A Catalog reads which snapshots a repository has. It keeps nothing of its own: the bucket
// is the only catalogue, and the cache holds copies of signed objects.
type Catalog struct {
	Store      Store
	Repository string // its id
	Trust      Trust
	Cache      *Cache
}

// An Entry is one listed snapshot. If its manifest is damaged or not trusted, Manifest is nil
// and Err says why: such a snapshot is shown and never used.
type Entry struct {
	ID       ID
	Manifest *Manifest
	Err      error
}

// List reads the snapshots of a vault, oldest first.
func (c *Catalog) List(ctx context.Context, vault string) ([]Entry, error) {
	if err := CheckVault(vault); err != nil {
		return nil, err
	}
	objects, err := c.manifests(ctx, vault)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(objects))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, o := range objects {
		g.Go(func() (err error) {
			entries[i], err = c.entry(ctx, vault, o)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(entries))
	for _, e := range entries {
		wanted[string(e.ID)] = true
	}
	c.Cache.keep(vault, "manifests", wanted)
	return slices.DeleteFunc(entries, func(e Entry) bool { return e.ID == "" }), nil
}

func (c *Catalog) manifests(ctx context.Context, vault string) ([]Object, error) {
	var objects []Object
	for o, err := range c.Store.List(ctx, SnapshotsPrefix(vault)) {
		if err != nil {
			return nil, fmt.Errorf("listing snapshots of %s: %w", vault, err)
		}
		if _, name, ok := parseSnapshotKey(vault, o.Key); ok && name == "manifest" {
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// entry reads one listed manifest. One that vanished since is pruned: no entry.
func (c *Catalog) entry(ctx context.Context, vault string, o Object) (Entry, error) {
	id, _, _ := parseSnapshotKey(vault, o.Key)
	if o.Size > maxNote {
		return Entry{ID: id, Err: Damaged(o.Key, "%d bytes", o.Size)}, nil
	}
	b, err := c.Cache.get(ctx, c.Store, vault, "manifests", string(id), o)
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, nil
	}
	if errors.Is(err, ErrDamaged) {
		return Entry{ID: id, Err: err}, nil
	}
	if err != nil {
		return Entry{}, err
	}
	m, err := parseManifest(b, c.Repository, vault, id, c.Trust)
	if err != nil {
		c.Cache.drop(vault, "manifests", string(id))
		return Entry{ID: id, Err: err}, nil
	}
	return Entry{ID: id, Manifest: m}, nil
}

// ErrNoSnapshot means that no snapshot answers a description.
var ErrNoSnapshot = errors.New("no such snapshot")

// newest reads the newest snapshot of a vault that can be trusted, or nil, and says which ID
// is the newest of all, damaged ones included.
func (c *Catalog) newest(ctx context.Context, vault string) (*Manifest, ID, error) {
	objects, err := c.manifests(ctx, vault)
	if err != nil || len(objects) == 0 {
		return nil, "", err
	}
	var last ID
	for i := len(objects) - 1; i >= 0; i-- {
		e, err := c.entry(ctx, vault, objects[i])
		if err != nil {
			return nil, "", err
		}
		if last == "" {
			last = e.ID
		}
		if e.Manifest != nil {
			return e.Manifest, last, nil
		}
	}
	return nil, last, nil
}
