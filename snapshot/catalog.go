package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

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
	c.Cache.keep(vault, "manifests", objects)
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
	var m *Manifest
	var refused error
	err := c.Cache.read(ctx, c.Store, vault, "manifests", o, func(b []byte) error {
		m, refused = parseManifest(b, c.Repository, vault, id, c.Trust)
		return refused
	})
	switch {
	case refused != nil:
		return Entry{ID: id, Err: refused}, nil
	case errors.Is(err, fs.ErrNotExist):
		return Entry{}, nil
	case errors.Is(err, ErrDamaged):
		return Entry{ID: id, Err: err}, nil
	}
	return Entry{ID: id, Manifest: m}, err
}

// ErrNoSnapshot means that no snapshot answers a description.
var ErrNoSnapshot = errors.New("no such snapshot")

// newest reads the newest snapshot of a vault that can be trusted, or nil, and says which ID a new
// one must sort after. That is the newest of all, damaged ones included, but for those that
// nobody trusted has signed and that lie in the future: anyone who can write to the bucket
// could stop all later runs with one of them.
func (c *Catalog) newest(ctx context.Context, vault string, now time.Time) (*Manifest, ID, error) {
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
		if last == "" && (e.Manifest != nil || e.ID.Time().Before(now.Add(maxSkew))) {
			last = e.ID
		}
		if e.Manifest != nil {
			return e.Manifest, last, nil
		}
	}
	return nil, last, nil
}
