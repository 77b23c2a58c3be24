package barrier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/state"
)

// A Proof is what a whole state.bin was found to be.
type Proof struct {
	Entries       int64 `json:"entries"`
	Authenticated int64 `json:"authenticated"` // entries that only a holder of the keys can have written, each at its place
	Terms         int   `json:"terms"`         // how many keys the storage is encrypted with, one for each rotation
	// Plain are the keys of the other entries. The server keeps them in the clear, or under the seal; that
	// they are unaltered is known from the snapshot's digests alone.
	Plain       []string `json:"plain"`
	Mounts      []Mount  `json:"mounts"`
	AuthMethods []Mount  `json:"auth_methods"`
	Audit       []Mount  `json:"audit"`
	Policies    []string `json:"policies"`         // names; of a namespace, with its id before them
	Unread      []string `json:"unread,omitempty"` // authentic tables that are compressed in a way that is not known here
}

// Prove reads a state.bin to its end and decrypts every entry, on all cores and in bounded memory. It
// returns a proof only if each entry is authentic or is one that servers keep otherwise, and the
// keyring and what the seal keeps are those that were opened. An entry that is not authentic is
// damage and is named.
//
// What a proof does not say: that no entry is missing, and that those there are of one time. Digests
// and the count of entries say that.
func (k *Keyring) Prove(ctx context.Context, r io.Reader) (Proof, error) {
	p, err := k.prove(ctx, r)
	if err != nil {
		return Proof{}, fmt.Errorf("proving state.bin: %w", err)
	}
	return p, nil
}

func (k *Keyring) prove(ctx context.Context, r io.Reader) (Proof, error) {
	g, ctx := errgroup.WithContext(ctx)
	provers := make([]*prover, runtime.GOMAXPROCS(0))
	work := make(chan *batch)
	free := make(chan *batch, 2*len(provers)+1)
	for range cap(free) {
		free <- new(batch)
	}
	for i := range provers {
		p := &prover{keyring: k}
		provers[i] = p
		g.Go(func() error { return p.run(work, free) })
	}
	g.Go(func() error {
		defer close(work)
		return deal(ctx, state.NewReader(r), work, free)
	})
	if err := g.Wait(); err != nil {
		return Proof{}, err
	}
	return k.conclude(provers)
}

// conclude puts together what the provers found.
func (k *Keyring) conclude(provers []*prover) (Proof, error) {
	all := &prover{found: Proof{Terms: len(k.terms), Plain: []string{}, Mounts: []Mount{}, AuthMethods: []Mount{}, Audit: []Mount{}, Policies: []string{}}}
	for _, p := range provers {
		all.add(p)
	}
	for _, list := range [][]string{all.found.Plain, all.found.Policies, all.found.Unread} {
		slices.Sort(list)
	}
	for _, list := range [][]Mount{all.found.Mounts, all.found.AuthMethods, all.found.Audit} {
		sortMounts(list)
	}
	switch {
	case all.keyrings == 0:
		return Proof{}, snapshot.Damaged(stateName, "there is no entry %q", keyringKey)
	case all.sealed == 0 && k.sealed != nil:
		return Proof{}, snapshot.Damaged(stateName, "there is no entry %q", sealedKeysKey)
	}
	return all.found, nil
}

// A batch is some entries, and the bytes that their values lie in.
type batch struct {
	entries []state.Entry
	values  []byte
}

// A batch has up to batchSize bytes of values, or one longer value, and so many entries.
const batchSize, batchEntries = 256 << 10, 4096

// fits reports whether b has room for a value of n bytes without moving those it has.
func (b *batch) fits(n int) bool {
	return len(b.entries) == 0 || len(b.entries) < batchEntries && len(b.values)+n <= cap(b.values)
}

func (b *batch) add(e state.Entry) {
	if len(b.entries) == 0 {
		b.values = slices.Grow(b.values[:0], max(batchSize, len(e.Value)))
	}
	start := len(b.values)
	b.values = append(b.values, e.Value...)
	e.Value = b.values[start:]
	b.entries = append(b.entries, e)
}

// reset empties b, and gives back what one very long value took.
func (b *batch) reset() {
	clear(b.entries)
	b.entries = b.entries[:0]
	if cap(b.values) > 4*batchSize {
		b.values = nil
	}
}

// deal reads entries and hands them out in batches.
func deal(ctx context.Context, r *state.Reader, work chan<- *batch, free <-chan *batch) error {
	send := func(b *batch) error {
		select {
		case work <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	take := func() (*batch, error) {
		select {
		case b := <-free:
			return b, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	b, err := take()
	if err != nil {
		return err
	}
	for {
		e, err := r.Next()
		if err == io.EOF {
			return send(b)
		}
		if err != nil {
			return err
		}
		if !b.fits(len(e.Value)) {
			if err := send(b); err != nil {
				return err
			}
			if b, err = take(); err != nil {
				return err
			}
		}
		b.add(e)
	}
}

// A prover decrypts entries. Each has its own, so that nothing is shared but the keys.
type prover struct {
	keyring  *Keyring
	plain    []byte // of the entry at hand
	found    Proof
	keyrings int64
	sealed   int64
}

func (p *prover) run(work <-chan *batch, free chan<- *batch) error {
	defer func() { clear(p.plain[:cap(p.plain)]) }()
	for b := range work {
		for _, e := range b.entries {
			if err := p.prove(e); err != nil {
				return err
			}
		}
		b.reset()
		free <- b
	}
	return nil
}

func (p *prover) prove(e state.Entry) error {
	p.found.Entries++
	if e.Key == sealedKeysKey && p.keyring.sealed != nil {
		if !bytes.Equal(e.Value, p.keyring.sealed) {
			return snapshot.Damaged(stateName, "entry %q is not the one that the shares opened", e.Key)
		}
		p.sealed++
		p.found.Authenticated++
		return nil
	}
	plain, err := p.keyring.open(p.plain[:0], e)
	if err != nil {
		if plainKeys[e.Key] {
			p.found.Plain = append(p.found.Plain, e.Key)
			return nil
		}
		return snapshot.Damaged(stateName, "entry %q: %w", e.Key, err)
	}
	if cap(plain) <= 4*batchSize {
		p.plain = plain
	}
	p.found.Authenticated++
	return p.look(e.Key, plain)
}

// look takes down what an authentic entry tells.
func (p *prover) look(key string, plain []byte) error {
	if key == keyringKey {
		p.keyrings++
	}
	if name, ok := policyAt(key); ok {
		p.found.Policies = append(p.found.Policies, name)
	}
	what, _, _ := tableAt(key)
	if what == noTable {
		return nil
	}
	mounts, err := mountsOf(key, plain)
	switch {
	case errors.Is(err, errCompression):
		p.found.Unread = append(p.found.Unread, key)
		return nil
	case err != nil:
		return fmt.Errorf("reading entry %q: %w", key, err)
	}
	switch what {
	case engines:
		p.found.Mounts = append(p.found.Mounts, mounts...)
	case authMethods:
		p.found.AuthMethods = append(p.found.AuthMethods, mounts...)
	case auditDevices:
		p.found.Audit = append(p.found.Audit, mounts...)
	}
	return nil
}

func (p *prover) add(o *prover) {
	p.keyrings += o.keyrings
	p.sealed += o.sealed
	p.found.Entries += o.found.Entries
	p.found.Authenticated += o.found.Authenticated
	p.found.Plain = append(p.found.Plain, o.found.Plain...)
	p.found.Mounts = append(p.found.Mounts, o.found.Mounts...)
	p.found.AuthMethods = append(p.found.AuthMethods, o.found.AuthMethods...)
	p.found.Audit = append(p.found.Audit, o.found.Audit...)
	p.found.Policies = append(p.found.Policies, o.found.Policies...)
	p.found.Unread = append(p.found.Unread, o.found.Unread...)
}
