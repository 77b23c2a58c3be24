package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/vaultapi"
)

// maxCopies is how much memory the copies of replaced secrets may take, compressed.
const maxCopies = 128 << 20

// undo notes what a load does before it is done, and takes it back.
type undo struct {
	run   *run
	began time.Time
	limit int
	pack  *zstd.Encoder

	mu     sync.Mutex
	mounts []string
	steps  []*step
	size   int
}

// A step is one secret that is being written.
type step struct {
	way  *route
	path string
	copy []byte // what was there before, compressed; nil: nothing was
	ours bool   // what is there now was certainly written by this load
	want *kv.Secret
}

func newUndo(r *run) (*undo, error) {
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	return &undo{run: r, began: time.Now(), limit: maxCopies, pack: pack}, err
}

// making notes that want will be written where nothing is.
func (u *undo) making(way *route, want *kv.Secret) *step {
	s := &step{way: way, path: want.Path, want: want}
	u.add(s)
	return s
}

// replacing notes that before gives way to want.
func (u *undo) replacing(way *route, before, want *kv.Secret) (*step, error) {
	raw, err := json.Marshal(before)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	packed := u.pack.EncodeAll(raw, nil)
	if u.size += len(packed); u.size > u.limit {
		return nil, fmt.Errorf("%w: over %d MiB; restore in parts", ErrTooMuch, u.limit>>20)
	}
	s := &step{way: way, path: want.Path, copy: packed, ours: true, want: want}
	u.steps = append(u.steps, s)
	return s, nil
}

func (u *undo) add(s *step) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.steps = append(u.steps, s)
}

// own notes that the secret of s is certainly this load's.
func (u *undo) own(s *step) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s.ours = true
}

// done lets go of what is not needed any more once the secret of s is whole.
func (u *undo) done(s *step) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s.want = nil
}

func (u *undo) mounted(path string) { u.mounts = append(u.mounts, path) }
func (u *undo) unmounted()          { u.mounts = u.mounts[:len(u.mounts)-1] }

// back takes everything back. It goes on when the load was cancelled, and as long as the load has
// taken and a minute more.
func (u *undo) back(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute+2*time.Since(u.began))
	defer cancel()
	var g errgroup.Group
	g.SetLimit(u.run.workers())
	var mu sync.Mutex
	var failed []error
	for _, s := range u.steps {
		g.Go(func() error {
			if err := u.one(ctx, s); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, fmt.Errorf("taking back %s: %w", s.way.name(s.path), err))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, m := range u.mounts {
		if err := u.run.session.Delete(ctx, "sys/mounts/"+m); err != nil {
			failed = append(failed, fmt.Errorf("taking back the mount %s: %w", m, err))
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d changes stay at the server: %w", len(failed), len(u.steps)+len(u.mounts), errors.Join(failed[:min(len(failed), 10)]...))
}

// one takes one secret back.
func (u *undo) one(ctx context.Context, s *step) error {
	if !s.ours {
		ours, err := u.looksOurs(ctx, s)
		if err != nil || !ours {
			return err
		}
	}
	if err := u.run.remove(ctx, s.way, s.path); err != nil || s.copy == nil {
		return err
	}
	before, err := s.before()
	if err != nil {
		return err
	}
	return u.run.put(ctx, s.way, before, func() {})
}

// looksOurs decides about a secret whose first write had no answer: it is ours if it is all that
// the write would have made of it. Somebody else's stays.
func (u *undo) looksOurs(ctx context.Context, s *step) (bool, error) {
	got, err := (&kv.Reader{Session: u.run.session, Mount: s.way.to}).Secret(ctx, s.path)
	if errors.Is(err, vaultapi.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if got.Metadata == nil {
		return equalJSON(got.Data, s.want.Data), nil
	}
	g, err := got.State()
	if err != nil {
		return false, err
	}
	w, err := s.want.State()
	if err != nil {
		return false, err
	}
	if g.Current == 0 {
		return len(g.Custom) == 0 && !g.CASRequired, nil // settings that go before the first write have neither
	}
	first := empty
	if len(w.Versions) > 0 && w.Versions[0].Number == 1 && w.Versions[0].Live() {
		first = w.Versions[0].Data
	}
	return g.Current == 1 && len(g.Versions) == 1 && equalJSON(g.Versions[0].Data, first), nil
}

// before unpacks the copy of what was replaced.
func (s *step) before() (*kv.Secret, error) {
	unpack, err := zstd.NewReader(bytes.NewReader(s.copy), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer unpack.Close()
	raw, err := io.ReadAll(unpack) // of our own making, at most kv.MaxLine
	if err != nil {
		return nil, err
	}
	var before kv.Secret
	return &before, json.Unmarshal(raw, &before)
}
