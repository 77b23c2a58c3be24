package snapshot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const typeLease = "holdfast/lease/1"

// A Lease is the one object of a vault that says who is writing to it. It is never deleted:
// its fence number rises with every run, so a writer that slept through its own expiry
// finds a higher number and gives up.
type Lease struct {
	Type       string `json:"type"`
	Repository string `json:"repository"`
	Vault      string `json:"vault"`
	Fence      int64  `json:"fence"`
	Holder     Holder `json:"holder"`
	Nonce      string `json:"nonce"` // random, one for each tenure: two runs of one process differ
	TTL        int64  `json:"ttl"`   // seconds after its last change, by the store's clock
	Beat       int64  `json:"beat"`  // counts changes, so that no two versions are alike
	Released   bool   `json:"released"`
	Last       ID     `json:"last,omitempty"` // newest snapshot that was committed under a lease
	Signer     string `json:"-"`
}

// ErrLeaseHeld means that another run is writing to the vault.
var ErrLeaseHeld = errors.New("another run holds the lease")

// ErrLeaseLost means that this run's lease was taken over or could not be kept alive.
var ErrLeaseLost = errors.New("the lease was lost")

// ErrClockSkew means that this host's clock and the store's differ too much to date a snapshot.
var ErrClockSkew = errors.New("this host's clock and the store's differ")

// maxSkew is how far the clocks may be apart. S3 itself refuses requests beyond 15 minutes.
const maxSkew = 5 * time.Minute

// ReadLease reads and checks a vault's lease.
func ReadLease(ctx context.Context, s getter, repository, vault string, t Trust) (*Lease, error) {
	l, key := &Lease{}, LeaseKey(vault)
	signer, err := readNote(ctx, s, key, t, l)
	if err != nil {
		return nil, err
	}
	l.Signer = signer
	if l.Type != typeLease || l.Repository != repository || l.Vault != vault {
		return nil, Damaged(key, "it belongs to vault %q", l.Vault)
	}
	return l, nil
}

// A tenure is a lease in hand.
type tenure struct {
	regs    Registers
	signer  Signer
	lease   Lease
	version string
	log     *slog.Logger

	lose context.CancelCauseFunc // ends the context that keep returned
	quit chan struct{}           // closed to end the heartbeat
	done chan struct{}           // closed when it has ended
}

// A claim is what acquire needs to know.
type claim struct {
	repository, vault string
	newest            *Manifest // the new number must be above its fence
	holder            Holder
	ttl, wait         time.Duration
	trust             Trust
	now               func() time.Time
}

// acquire takes the vault's lease, waiting up to c.wait for another run to end. It returns a
// context that ends when the lease is lost.
func acquire(ctx context.Context, regs Registers, signer Signer, c claim, log *slog.Logger) (*tenure, context.Context, error) {
	deadline := c.now().Add(c.wait)
	for {
		t, err := tryLease(ctx, regs, signer, c, log)
		if err == nil {
			held := t.keep(ctx)
			return t, held, nil
		}
		if !errors.Is(err, ErrLeaseHeld) || !c.now().Before(deadline) {
			return nil, nil, err
		}
		if err := sleep(ctx, leasePoll); err != nil {
			return nil, nil, fmt.Errorf("waiting for the lease of %s: %w", c.vault, err)
		}
	}
}

// leasePoll is how often a waiting run looks again.
const leasePoll = 500 * time.Millisecond

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func tryLease(ctx context.Context, regs Registers, signer Signer, c claim, log *slog.Logger) (*tenure, error) {
	key := LeaseKey(c.vault)
	reg, err := regs.Load(ctx, key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the lease of %s: %w", c.vault, err)
	}
	if skew := c.now().Sub(reg.Now).Abs(); !reg.Now.IsZero() && skew > maxSkew {
		return nil, fmt.Errorf("taking the lease of %s: %w by %s", c.vault, ErrClockSkew, skew.Round(time.Second))
	}
	next := Lease{Type: typeLease, Repository: c.repository, Vault: c.vault, Fence: 1,
		Holder: c.holder, Nonce: rand.Text(), TTL: int64(max(c.ttl, time.Second) / time.Second)}
	if c.newest != nil {
		next.Fence, next.Last = c.newest.Fence+1, c.newest.ID
	}
	if err == nil {
		old, err := c.judge(reg)
		if err != nil {
			return nil, fmt.Errorf("taking the lease of %s: %w", c.vault, err)
		}
		next.Fence, next.Last = max(next.Fence, old.Fence+1), max(next.Last, old.Last)
	}
	t := &tenure{regs: regs, signer: signer, lease: next, version: reg.Version, log: log}
	err = t.swap(ctx)
	if errors.Is(err, ErrConflict) {
		return nil, fmt.Errorf("taking the lease of %s: %w (it was taken a moment ago)", c.vault, ErrLeaseHeld)
	}
	return t, err
}

// judge returns the old lease if it may be taken over, else ErrLeaseHeld. A lease that cannot
// be read counts as held until it is old: damage must not let two runs in, nor lock all out.
func (c claim) judge(reg Register) (*Lease, error) {
	old := &Lease{}
	_, err := c.trust.openNote(reg.Body, old)
	age := reg.Now.Sub(reg.Modified)
	if err != nil || old.Repository != c.repository || old.Vault != c.vault {
		if age > c.ttl {
			return &Lease{}, nil
		}
		return nil, fmt.Errorf("%w: it cannot be read, and is too fresh to be replaced (%s old)", ErrLeaseHeld, age.Round(time.Second))
	}
	ttl := time.Duration(old.TTL) * time.Second
	if old.Released || age > ttl || old.Holder.dead(c.holder) {
		return old, nil
	}
	return nil, fmt.Errorf("%w: %s, for another %s at most", ErrLeaseHeld, old.Holder, (ttl - age).Round(time.Second))
}

// swap writes the lease's next version. If somebody changed the lease meanwhile, it may have
// been ourselves, by an earlier swap whose answer was lost: then it goes on from there.
func (t *tenure) swap(ctx context.Context) error {
	key := LeaseKey(t.lease.Vault)
	t.lease.Beat++
	b, err := sign(t.lease, t.signer)
	if err != nil {
		return fmt.Errorf("signing the lease: %w", err)
	}
	v, err := t.regs.Swap(ctx, key, b, t.version)
	if errors.Is(err, ErrConflict) {
		if own := t.ownVersion(ctx); own != "" {
			v, err = t.regs.Swap(ctx, key, b, own)
		}
	}
	if err != nil {
		return fmt.Errorf("writing the lease of %s: %w", t.lease.Vault, err)
	}
	t.version = v
	return nil
}

// ownVersion returns the stored lease's version if it is this tenure's.
func (t *tenure) ownVersion(ctx context.Context) string {
	reg, err := t.regs.Load(ctx, LeaseKey(t.lease.Vault))
	if err != nil {
		return ""
	}
	v, err := note.NewVerifier(t.signer.Verifier)
	if err != nil {
		return ""
	}
	stored := &Lease{}
	if _, err := (Trust{note.VerifierList(v)}).openNote(reg.Body, stored); err != nil {
		return ""
	}
	if stored.Nonce != t.lease.Nonce {
		return ""
	}
	return reg.Version
}

// keep renews the lease until release, every third of its time. If it is lost, or could not
// be renewed while it lasted, the returned context ends with ErrLeaseLost.
func (t *tenure) keep(ctx context.Context) context.Context {
	held, lose := context.WithCancelCause(ctx)
	t.lose, t.quit, t.done = lose, make(chan struct{}), make(chan struct{})
	ttl := time.Duration(t.lease.TTL) * time.Second
	go func() {
		defer close(t.done)
		tick := time.NewTicker(ttl / 3)
		defer tick.Stop()
		for renewed := time.Now(); ; {
			select {
			case <-t.quit:
				return
			case <-held.Done():
				return
			case <-tick.C:
			}
			// A swap that began is let finish, so that the version in hand is the stored one.
			once, cancel := context.WithTimeout(context.WithoutCancel(held), ttl/3)
			err := t.swap(once)
			cancel()
			switch {
			case err == nil:
				renewed = time.Now()
			case errors.Is(err, ErrConflict):
				lose(fmt.Errorf("%w: another run took it over", ErrLeaseLost))
			case time.Since(renewed) > ttl*5/6:
				lose(fmt.Errorf("%w: it could not be renewed for %s: %w", ErrLeaseLost, time.Since(renewed).Round(time.Second), err))
			default:
				t.log.Debug("renewing the lease", "err", err)
			}
		}
	}()
	return held
}

// confirm stops the heartbeat and proves that the lease is still ours, by writing it once
// more: the last step before a commit. The commit must be over by the time it returns, while
// nobody else can take the lease. After it only release may follow.
func (t *tenure) confirm(ctx context.Context) (until time.Time, err error) {
	t.stopHeartbeat()
	began := time.Now() // before the store's clock can have started the new term
	if err := t.swap(ctx); err != nil {
		if errors.Is(err, ErrConflict) {
			return until, fmt.Errorf("%w: another run took it over", ErrLeaseLost)
		}
		return until, err
	}
	return began.Add(time.Duration(t.lease.TTL) * time.Second * 2 / 3), nil
}

func (t *tenure) stopHeartbeat() {
	if t.quit != nil {
		close(t.quit)
		<-t.done
		t.quit = nil
	}
}

// release gives the lease back; last names the snapshot that was committed, if one was. That
// somebody else has it by now is told, and nothing to undo.
func (t *tenure) release(ctx context.Context, last ID) error {
	t.stopHeartbeat()
	defer t.lose(nil)
	t.lease.Released = true
	if last != "" {
		t.lease.Last = last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	err := t.swap(ctx)
	if errors.Is(err, ErrConflict) {
		return fmt.Errorf("%w: another run took it over", ErrLeaseLost)
	}
	return err
}

// cleanupTime bounds what is done after a run was cancelled.
const cleanupTime = 10 * time.Second
