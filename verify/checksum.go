package verify

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/snapshot"
	"holdfast/snapshot/pack"
)

// checksum compares every object of m with what was signed.
func (v *Verifier) checksum(ctx context.Context, m *snapshot.Manifest, f *snapshot.Finding, c *collector, packs *packChecker) error {
	list, err := v.documents(ctx, m, f, c)
	if err != nil {
		return err
	}
	list = v.sample(list)
	for _, p := range list {
		f.Objects++
		f.Bytes += p.Size
	}
	return packs.check(ctx, list, c)
}

// documents checks a snapshot's objects other than packs, and returns the list of its packs.
func (v *Verifier) documents(ctx context.Context, m *snapshot.Manifest, f *snapshot.Finding, c *collector) ([]pack.Info, error) {
	if _, err := snapshot.ReadEpoch(ctx, v.Store, m.Repository, m.Vault, m.Epoch, v.Trust); err != nil {
		if err := c.take(snapshot.EpochKey(m.Vault, m.Epoch), err); err != nil {
			return nil, err
		}
	}
	f.Objects++
	blobs := map[string]snapshot.Blob{snapshot.ContentsKey(m.Vault, m.ID): m.Contents}
	for n, b := range m.Index {
		blobs[snapshot.IndexKey(m.Vault, m.ID, n)] = b
	}
	for key, b := range blobs {
		_, err := snapshot.ReadBlob(ctx, v.Store, key, b)
		if err := c.take(key, err); err != nil {
			return nil, err
		}
		f.Objects++
		f.Bytes += b.Size
	}
	key := snapshot.PackListKey(m.Vault, m.ID)
	f.Objects++
	f.Bytes += m.Packs.Size
	body, err := snapshot.ReadBlob(ctx, v.Store, key, m.Packs)
	if err != nil {
		return nil, c.take(key, err)
	}
	list, err := snapshot.DecodePackList(key, body)
	return list, c.take(key, err)
}

// sample picks the share of the packs that is to be read, at least one.
func (v *Verifier) sample(list []pack.Info) []pack.Info {
	if !v.sampled() {
		return list
	}
	n := (len(list)*v.Sample + 99) / 100
	picked := append([]pack.Info(nil), list...)
	rand.Shuffle(len(picked), func(i, j int) { picked[i], picked[j] = picked[j], picked[i] })
	return picked[:n]
}

func (v *Verifier) sampled() bool { return v.Sample > 0 && v.Sample < 100 }

type packID = pack.Info

// A packChecker hashes packs, each once however many snapshots share it.
type packChecker struct {
	v     *Verifier
	vault string
	mu    sync.Mutex
	seen  map[packID]error
}

// check hashes the packs of list, several at once.
func (p *packChecker) check(ctx context.Context, list []pack.Info, c *collector) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.v.Parallel)
	for _, info := range list {
		g.Go(func() error {
			return c.take(snapshot.PackKey(p.vault, info.Sum), p.one(ctx, info))
		})
	}
	return g.Wait()
}

// one returns nil or damage; other errors are not remembered.
func (p *packChecker) one(ctx context.Context, info pack.Info) error {
	p.mu.Lock()
	err, ok := p.seen[info]
	p.mu.Unlock()
	if ok {
		return err
	}
	err = p.hash(ctx, info)
	if err == nil || errors.Is(err, snapshot.ErrDamaged) {
		p.mu.Lock()
		p.seen[info] = err
		p.mu.Unlock()
	}
	return err
}

func (p *packChecker) hash(ctx context.Context, info pack.Info) error {
	key := snapshot.PackKey(p.vault, info.Sum)
	r, err := p.v.Store.Get(ctx, key, snapshot.Range{})
	if errors.Is(err, fs.ErrNotExist) {
		return &snapshot.Damage{Key: key, Cause: errors.New("missing")}
	}
	if err != nil {
		return err // it names the key
	}
	defer r.Close()
	err = pack.CheckStored(r, info)
	var d *pack.Damage
	if errors.As(err, &d) {
		return &snapshot.Damage{Key: key, Cause: d.Cause}
	}
	p.v.Progress.Report(snapshot.Step{Name: p.vault, Bytes: info.Size})
	return err
}
