package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"filippo.io/age"

	"holdfast/snapshot/pack"
)

// sizes sums up what a run stored.
type sizes struct{ n atomic.Int64 }

func (s *sizes) add(n int64) { s.n.Add(n) }

// commit makes a snapshot of a whole dump. The order is the promise: everything the manifest
// needs is durable and checked before the manifest is put, and the manifest is put once.
func (r *run) commit(ctx context.Context, d *dumping, st pack.Stats, table []pack.Info) (*Manifest, error) {
	m := r.manifest(d, st, table)
	var err error
	if m.Index, err = r.index.finish(ctx, live(d, table), r.known.live); err != nil {
		return nil, err
	}
	list := encodePackList(table)
	if m.Packs, err = r.putBlob(ctx, PackListKey(r.Vault, r.id), list); err != nil {
		return nil, err
	}
	contents, err := r.contents(d, table)
	if err != nil {
		return nil, err
	}
	if m.Contents, err = r.putPrivate(ctx, ContentsKey(r.Vault, r.id), contents); err != nil {
		return nil, err
	}
	if err := r.recheck(ctx, table); err != nil {
		return nil, err
	}
	m.Totals.NewBytes = r.sizes.n.Load()
	m.Totals.StoredBytes = m.Packs.Size + m.Contents.Size
	for _, p := range table {
		m.Totals.StoredBytes += p.Size
	}
	for _, b := range m.Index {
		m.Totals.StoredBytes += b.Size
	}
	if err := r.keepLocked(ctx, table); err != nil {
		return nil, err
	}
	until, err := r.lease.confirm(ctx)
	if err != nil {
		return nil, fmt.Errorf("committing %s of %s: %w", r.id, r.Vault, err)
	}
	m.Finished = r.Now().UTC().Truncate(time.Millisecond)
	return m, r.putManifest(context.WithoutCancel(ctx), m, until)
}

func (r *run) manifest(d *dumping, st pack.Stats, table []pack.Info) *Manifest {
	m := &Manifest{
		Type: typeManifest, Format: Format, Repository: r.Repository.ID, ID: r.id, Vault: r.Vault, Kind: r.Kind,
		Job: r.Job, Host: r.HostName, Tool: r.Tool, DataAsOf: r.asOf(d).UTC(), Started: r.started.Truncate(time.Millisecond),
		Fence: r.lease.lease.Fence, Epoch: r.epoch.ID, Recipients: r.epoch.Recipients,
		Server: d.about.Server, Tags: r.Tags, Warnings: append(r.warnings, d.warnings...), Signer: r.Host.Signer.Name(),
	}
	if r.previous != nil {
		m.Previous = r.previous.ID
	}
	if r.lock.Mode != "" {
		m.Lock = &LockNote{r.lock.Mode, r.lock.Until}
	}
	m.Totals = Totals{Streams: len(d.streams), Chunks: st.Chunks, NewChunks: st.NewChunks, Packs: len(table), NewPacks: int(st.Packs)}
	for _, s := range d.streams {
		m.Totals.PlainBytes += s.info.Bytes
		m.Totals.Rows += s.info.Rows
	}
	return m
}

func (r *run) asOf(d *dumping) time.Time {
	if d.about.AsOf.IsZero() {
		return r.started
	}
	return d.about.AsOf
}

func (r *run) contents(d *dumping, table []pack.Info) ([]byte, error) {
	c := &Contents{Type: typeContents, Repository: r.Repository.ID, Vault: r.Vault, ID: r.id, Epoch: r.epoch.ID,
		AsOf: r.asOf(d).UTC(), IDKey: r.key[:]}
	for _, p := range table {
		c.Packs = append(c.Packs, Blob{Size: p.Size, SHA256: Digest(p.Sum)})
	}
	for _, s := range d.streams {
		c.Streams = append(c.Streams, ContentsStream{StreamInfo: s.info, Chunks: s.chunks})
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("writing the contents of %s: %w", r.Vault, err)
	}
	return text, nil
}

// live accounts how many bytes of each pack the snapshot uses. A chunk that occurs twice
// counts twice, which can only make a pack look more alive.
func live(d *dumping, table []pack.Info) map[Digest]int64 {
	m := make(map[Digest]int64, len(table))
	for _, s := range d.streams {
		for _, c := range s.chunks {
			m[Digest(table[c.Pack].Sum)] += int64(c.Length)
		}
	}
	return m
}

// recheck proves, as late as possible, that every pack of the table is stored in full: those of
// earlier runs may have been deleted while this run was building on them.
func (r *run) recheck(ctx context.Context, table []pack.Info) error {
	present := map[pack.Sum]int64{}
	for o, err := range r.Store.List(ctx, PacksPrefix(r.Vault)) {
		if err != nil {
			return fmt.Errorf("checking the packs of %s before committing: %w", r.Vault, err)
		}
		if sum, ok := parsePackKey(r.Vault, o.Key); ok {
			present[sum] = o.Size
		}
	}
	for _, p := range table {
		if size, ok := present[p.Sum]; !ok || size != p.Size {
			return fmt.Errorf("checking the packs of %s before committing: pack %s is %d bytes instead of %d",
				r.Vault, Digest(p.Sum), size, p.Size)
		}
	}
	return nil
}

// putManifest commits, before until. If the put fails its answer may have been lost, so the store is
// asked what it has before anything is said.
func (r *run) putManifest(ctx context.Context, m *Manifest, until time.Time) error {
	key := ManifestKey(r.Vault, r.id)
	b, err := sign(m, r.Host.Signer)
	if err != nil {
		return fmt.Errorf("signing the manifest of %s: %w", r.Vault, err)
	}
	commit, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	err = r.Store.Put(commit, key, b, PutOptions{SHA256: digestOf(b), Lock: r.lock})
	if err == nil {
		return nil
	}
	ask, cancel := context.WithTimeout(ctx, cleanupTime)
	defer cancel()
	stored, rerr := readSmall(ask, r.Store, key, maxNote)
	switch {
	case rerr == nil && bytes.Equal(stored, b):
		return nil
	case errors.Is(rerr, fs.ErrNotExist):
		return fmt.Errorf("committing %s of %s: %w", r.id, r.Vault, err)
	case rerr == nil:
		return fmt.Errorf("committing %s of %s: something else lies under its name", r.id, r.Vault)
	}
	return fmt.Errorf("committing %s of %s: %w; whether it was stored could not be found out (%w): run list", r.id, r.Vault, err, rerr)
}

// putIndex stores the run's n-th index.
func (r *run) putIndex(ctx context.Context, n int, x *index) (Blob, error) {
	x.Type, x.Vault, x.Epoch, x.Run, x.N = typeIndex, r.Vault, r.epoch.ID, r.id, n
	readers, err := r.readers()
	if err != nil {
		return Blob{}, err
	}
	body, err := encodeIndex(x, r.key, readers...)
	if err != nil {
		return Blob{}, fmt.Errorf("encrypting an index of %s: %w", r.Vault, err)
	}
	key := IndexKey(r.Vault, r.id, n)
	b := Blob{Size: int64(len(body)), SHA256: digestOf(body)}
	if err := r.putOnce(ctx, key, body, b); err != nil {
		return Blob{}, err
	}
	return b, nil
}

// readers are who opens the documents of a run: this host, which builds on them, and whoever
// opens the epoch. Packs are for the latter alone.
func (r *run) readers() ([]age.Recipient, error) {
	epoch, err := r.epoch.recipient()
	if err != nil {
		return nil, err
	}
	host, err := r.Host.indexRecipient(r.epoch.hybrid())
	if err != nil {
		return nil, err
	}
	return []age.Recipient{host, epoch}, nil
}

// putPrivate encrypts a document to its readers and stores it.
func (r *run) putPrivate(ctx context.Context, key string, text []byte) (Blob, error) {
	readers, err := r.readers()
	if err != nil {
		return Blob{}, err
	}
	body, err := pack.Encrypt(text, readers...)
	if err != nil {
		return Blob{}, fmt.Errorf("encrypting %s: %w", key, err)
	}
	return r.putBlob(ctx, key, body)
}

func (r *run) putBlob(ctx context.Context, key string, body []byte) (Blob, error) {
	b := Blob{Size: int64(len(body)), SHA256: digestOf(body)}
	return b, r.putOnce(ctx, key, body, b)
}

func (r *run) putOnce(ctx context.Context, key string, body []byte, b Blob) error {
	err := r.put(ctx, key, body, b.SHA256)
	if errors.Is(err, fs.ErrExist) {
		err = samebody(ctx, r.Store, key, body)
	}
	if err == nil {
		r.sizes.add(b.Size)
	}
	return err
}

// ageHeader begins every encrypted object. It is asserted on each, whatever made it: settings
// that were ignored have put plaintext into buckets before.
var ageHeader = []byte("age-encryption.org/v1\n")

func (r *run) put(ctx context.Context, key string, body []byte, sum Digest) error {
	if isPublic := key == PackListKey(r.Vault, r.id); !isPublic && !bytes.HasPrefix(body, ageHeader) {
		return fmt.Errorf("storing %s: it is not encrypted", key)
	}
	if r.Upload != nil {
		if err := r.Upload.WaitN(ctx, min(len(body), r.Upload.Burst())); err != nil {
			return fmt.Errorf("waiting to store %s: %w", key, err)
		}
	}
	if err := r.Store.Put(ctx, key, body, PutOptions{SHA256: sum, Lock: r.lock}); err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	return nil
}

var _ age.Recipient = Recipient{} // a Recipient can stand wherever age wants one
