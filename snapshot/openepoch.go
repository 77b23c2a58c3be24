package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/snapshot/pack"
)

// Sized is a Source that can tell about how many bytes it would dump. Large vaults are cut into
// larger chunks; the choice is made once an epoch.
type Sized interface {
	Size(ctx context.Context) (int64, error)
}

// openEpoch returns this host's epoch of the vault, or makes one: the first, or a fresh one because
// the recipients changed (who was taken out must not open new snapshots, who came in must), or
// because the epoch of the last snapshot is not what it was.
func (r *run) openEpoch(ctx context.Context, src Source) (*Epoch, error) {
	own, err := r.own()
	if err != nil {
		return nil, err
	}
	e, err := newestEpoch(ctx, r.Store, r.Repository.ID, r.Vault, own)
	if err != nil {
		return nil, fmt.Errorf("opening the epoch of %s: %w", r.Vault, err)
	}
	usable := e != nil && slices.Equal(e.Recipients, fingerprints(r.Recipients))
	if usable {
		if usable, err = r.sound(ctx, e); err != nil {
			return nil, err
		}
	}
	if usable {
		return e, nil
	}
	chunking := pack.DefaultChunking
	if s, ok := src.(Sized); ok {
		size, err := s.Size(ctx)
		if err != nil {
			return nil, err
		}
		chunking = pack.ChunkingFor(size)
	}
	fresh, err := newEpoch(r.Repository.ID, r.Vault, r.Recipients, chunking, r.started)
	if err != nil {
		return nil, err
	}
	if e != nil {
		r.warn("a fresh epoch was begun, so everything is stored again")
	}
	return fresh, storeEpoch(ctx, r.Store, fresh, r.Host.Signer, r.lock)
}

// own trusts what this host signed and nobody else.
func (r *run) own() (Trust, error) { return NewTrust(r.Host.Signer.Verifier) }

// sound reports whether e can be built on: whether the epoch of the previous snapshot is still
// there, and e is not an older one that came to light again because newer ones were removed.
func (r *run) sound(ctx context.Context, e *Epoch) (bool, error) {
	if r.previous == nil || r.previous.Epoch == e.ID {
		return true, nil
	}
	last, err := ReadEpoch(ctx, r.Store, r.Repository.ID, r.Vault, r.previous.Epoch, r.Trust)
	switch {
	case errors.Is(err, ErrDamaged):
		r.warn("the epoch of snapshot " + string(r.previous.ID) + " is missing or damaged: it cannot be opened; run verify")
		return false, nil
	case err != nil:
		return false, fmt.Errorf("opening the epoch of %s: %w", r.Vault, err)
	}
	return last.Signer != e.Signer || e.ID > last.ID, nil
}
