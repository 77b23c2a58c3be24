package snapshot

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"holdfast/snapshot/pack"
)

// A Keeper is a Store that can lengthen the lock of an object that is there already. It never
// shortens one.
type Keeper interface {
	Keep(ctx context.Context, key string, l Lock) error
}

// keepLocked makes sure, where objects are locked, that what the snapshot builds on is locked as
// long as the snapshot: the repository, the epoch, and the packs of earlier runs.
func (r *run) keepLocked(ctx context.Context, table []pack.Info) error {
	if r.lock.Mode == "" {
		return nil
	}
	keeper, ok := r.Store.(Keeper)
	if !ok {
		return fmt.Errorf("locking what %s builds on: %w", r.id, ErrUnsupported)
	}
	keys := []string{RepositoryKey, EpochKey(r.Vault, r.epoch.ID)}
	for _, p := range table {
		if _, fresh := r.stored.Load(p.Sum); !fresh {
			keys = append(keys, PackKey(r.Vault, p.Sum))
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, key := range keys {
		g.Go(func() error {
			if err := keeper.Keep(ctx, key, r.lock); err != nil {
				return fmt.Errorf("locking %s until %s: %w", key, r.lock.Until, err)
			}
			return nil
		})
	}
	return g.Wait()
}
