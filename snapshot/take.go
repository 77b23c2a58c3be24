package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"holdfast/snapshot/pack"
)

// A Taker takes snapshots of one vault. Its fields are set before the first Take and not
// changed afterwards. No field can hold a recipient's identity: who takes snapshots cannot read
// what is in them.
type Taker struct {
	Store      Store
	Registers  Registers
	Repository *Repository
	Trust      Trust
	Host       *HostKey
	Recipients []Recipient // of everyone who may restore, escrow included

	Vault    string
	Kind     string
	Job      string
	HostName string
	Tool     string // name and version of this program
	Tags     map[string]string

	Pack     pack.WriterOptions // level, sizes and parallelism; Take sets the rest
	LockMode string             // "governance" or "compliance": every object is locked
	LockFor  time.Duration
	LeaseTTL time.Duration // zero: DefaultLeaseTTL
	Wait     time.Duration // how long to wait for another run to end
	Upload   *rate.Limiter // in bytes; nil: unlimited. Its burst is at least a pack
	Cache    *Cache

	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: nothing
	Progress Progress
}

// DefaultLeaseTTL is how long a lease outlives a host that vanished.
const DefaultLeaseTTL = 2 * time.Minute

// ErrEmpty means that a source had nothing in it, which is never a success.
var ErrEmpty = errors.New("the source is empty")

// Take dumps src into a new snapshot and returns its manifest. When it returns an error no
// snapshot was made, except for the one case that the error names: that the store's answer to
// the last put was lost. Packs that were stored before an error are found by the next run.
func (t *Taker) Take(ctx context.Context, src Source) (*Manifest, error) {
	t = t.withDefaults()
	if err := t.check(); err != nil {
		return nil, err
	}
	catalog := &Catalog{Store: t.Store, Repository: t.Repository.ID, Trust: t.Trust, Cache: t.Cache}
	newest, _, err := catalog.newest(ctx, t.Vault, t.Now())
	if err != nil {
		return nil, err
	}
	c := claim{repository: t.Repository.ID, vault: t.Vault, newest: newest, holder: thisProcess(t.HostName),
		ttl: t.LeaseTTL, wait: t.Wait, trust: t.Trust, now: t.Now}
	lease, held, err := acquire(ctx, t.Registers, t.Host.Signer, c, t.Log)
	if err != nil {
		return nil, err
	}
	t.Cache.Remember(t.Vault, Witness{Fence: lease.lease.Fence})
	// While this run waited for the lease another may have committed.
	previous, last, err := catalog.newest(held, t.Vault, t.Now())
	var m *Manifest
	if err == nil {
		m, err = (&run{Taker: t, lease: lease, previous: previous, last: last}).take(held, src)
	}
	if err != nil {
		if cause := context.Cause(held); cause != nil && errors.Is(err, context.Canceled) && !errors.Is(cause, context.Canceled) {
			err = cause // the lease was lost: say so, not "context canceled"
		}
		t.release(ctx, lease, "")
		return nil, err
	}
	t.release(ctx, lease, m.ID)
	return m, nil
}

// check refuses what could only fail at the end: a manifest has to fit into a note.
func (t *Taker) check() error {
	size := 0
	for k, v := range t.Tags {
		size += len(k) + len(v) + 8
	}
	if size > maxTags {
		return fmt.Errorf("taking a snapshot of %s: %d bytes of tags, the limit is %d", t.Vault, size, maxTags)
	}
	return CheckVault(t.Vault)
}

func (t *Taker) withDefaults() *Taker {
	c := *t
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.LeaseTTL == 0 {
		c.LeaseTTL = DefaultLeaseTTL
	}
	return &c
}

// release gives the lease back. Failing to does not undo a snapshot: the lease expires.
func (t *Taker) release(ctx context.Context, lease *tenure, last ID) {
	if err := lease.release(ctx, last); err != nil {
		t.Log.Warn("releasing the lease; it will expire by itself", "vault", t.Vault, "err", err)
	}
}

// A run is one Take under its lease.
type run struct {
	*Taker
	lease    *tenure
	previous *Manifest // newest that can be trusted
	last     ID        // newest of all

	id      ID
	started time.Time
	epoch   *Epoch
	key     pack.Key
	known   *known
	index   *indexer
	lock    Lock
	sizes   sizes
	stored  sync.Map // pack.Sum of the packs that this run stored

	warnings []string
}

func (r *run) take(ctx context.Context, src Source) (*Manifest, error) {
	if err := r.begin(ctx, src); err != nil {
		return nil, err
	}
	w, err := r.writer(ctx)
	if err != nil {
		return nil, err
	}
	d := newDumping(w, r, r.Progress)
	if err := d.run(ctx, src, r.Vault); err != nil {
		w.Abort()
		r.salvage(ctx)
		return nil, err
	}
	table, err := w.Close()
	if err != nil {
		r.salvage(ctx)
		return nil, fmt.Errorf("storing packs of %s: %w", r.Vault, err)
	}
	return r.commit(ctx, d, w.Stats(), table)
}

// begin finds out what the run builds on: its id, epoch and the chunks stored already.
func (r *run) begin(ctx context.Context, src Source) error {
	if err := r.name(ctx); err != nil {
		return err
	}
	if r.LockMode != "" {
		r.lock = Lock{Mode: r.LockMode, Until: r.started.Add(r.LockFor).UTC().Truncate(time.Second)}
	}
	var err error
	if r.epoch, err = r.openEpoch(ctx, src); err != nil {
		return err
	}
	r.key = r.Host.idKey(r.Repository.ID, r.Vault, r.epoch.ID)
	suspect, err := suspects(ctx, r.Store, r.Repository.ID, r.Vault, r.Trust)
	if err != nil {
		return err
	}
	r.known, err = survey{store: r.Store, cache: r.Cache, vault: r.Vault, epoch: r.epoch.ID, key: r.key,
		ids: r.Host.index, suspect: suspect, log: r.Log}.run(ctx)
	r.index = &indexer{store: r.putIndex, blobs: []Blob{}} // none is written as [], not as null
	return err
}

// name gives the run an id that sorts after every earlier one. IDs count in seconds, so a run
// in the second of the last one waits for the next.
func (r *run) name(ctx context.Context) error {
	for r.last != "" {
		ahead := r.last.Time().Add(time.Second).Sub(r.Now())
		if ahead <= 0 {
			break
		}
		if ahead > maxSkew {
			return fmt.Errorf("naming a snapshot of %s: %w: the newest one, %s, is %s in the future", r.Vault, ErrClockSkew, r.last, ahead.Round(time.Second))
		}
		if err := sleep(ctx, ahead); err != nil {
			return err
		}
	}
	r.started = r.Now().UTC()
	r.id = NewID(r.started)
	return nil
}

// warn notes what people should know of a snapshot, in its manifest and in the log.
func (r *run) warn(text string) {
	r.Log.Warn(text, "vault", r.Vault)
	r.warnings = append(r.warnings, text)
}

func (r *run) writer(ctx context.Context) (*pack.Writer, error) {
	o := r.Pack
	recipient, err := r.epoch.recipient()
	if err != nil {
		return nil, &Damage{Key: EpochKey(r.Vault, r.epoch.ID), Cause: err}
	}
	o.Recipient, o.Key, o.Chunking = recipient, r.key, r.epoch.Chunking
	o.Known, o.Put = r.known.lookup, r.putPack
	return pack.NewWriter(ctx, o)
}

// salvage indexes the packs that a failed run stored, so that the next one need not store
// them again. It is best effort: what is not indexed is garbage, not damage.
func (r *run) salvage(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if _, err := r.index.finish(ctx, nil, nil); err != nil {
		r.Log.Debug("indexing the packs of a failed run", "err", err)
	}
}

func (r *run) putPack(ctx context.Context, s pack.Stored) error {
	key := PackKey(r.Vault, s.Sum)
	err := r.put(ctx, key, s.Body, Digest(s.Sum))
	switch {
	case err == nil:
		r.stored.Store(s.Sum, true)
	case !errors.Is(err, fs.ErrExist): // same name, same bytes: an earlier try stored it
		return err
	}
	r.sizes.add(s.Size)
	return r.index.add(ctx, s)
}
