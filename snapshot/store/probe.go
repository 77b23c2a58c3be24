package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"holdfast/snapshot"
)

// A Capability is one thing a store can or cannot do, found out by trying it.
type Capability struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"` // without it a repository is not safe in this store
	Detail   string `json:"detail,omitempty"`
}

// Names of the capabilities that Probe looks for in every store.
const (
	ConditionalPut  = "conditional put"
	ConditionalSwap = "conditional swap"
	ChecksumCheck   = "checksum on arrival"
	RangeRead       = "range read"
	ListAfterPut    = "list after put"
	DeleteObjects   = "delete"
	PutAfterDelete  = "put after delete"
	ClockAgrees     = "clock"
)

// MaxSkew is how far the store's clock and this host's may be apart. Snapshots are dated by
// one and aged by the other.
const MaxSkew = 5 * time.Minute

// An Inspector is a store that knows more about itself than can be found out by trying.
type Inspector interface {
	Inspect(ctx context.Context) []Capability
}

// Probe tries out what a repository relies on, under probe/, and removes what it stored,
// also when ctx ends. It returns an error only if the store cannot be used at all: not
// reached, no such bucket, nothing may be stored.
func Probe(ctx context.Context, s Store) ([]Capability, error) {
	p := &probe{store: s, prefix: "probe/" + strings.ToLower(rand.Text()) + "/"}
	caps, err := p.run(ctx)
	left := p.clean(ctx)
	if err != nil {
		return nil, fmt.Errorf("probing the store: %w", err)
	}
	caps = append(caps, p.deleting(left))
	if left == nil {
		caps = append(caps, p.putAgain(ctx))
	}
	for s != nil {
		if i, ok := s.(Inspector); ok {
			return append(caps, i.Inspect(ctx)...), nil
		}
		u, ok := s.(interface{ Unwrap() Store })
		if !ok {
			return caps, nil
		}
		s = u.Unwrap()
	}
	return caps, nil
}

type probe struct {
	store  Store
	prefix string
	keys   []string // that may be there
}

// key names a probe object, to be removed at the end.
func (p *probe) key(name string) string {
	p.keys = append(p.keys, p.prefix+name)
	return p.prefix + name
}

func (p *probe) run(ctx context.Context) ([]Capability, error) {
	key, body := p.key("object"), []byte("holdfast probe")
	if err := p.store.Put(ctx, key, body, snapshot.PutOptions{SHA256: sha256.Sum256(body)}); err != nil {
		return nil, err
	}
	caps := []Capability{
		p.secondPut(ctx, p.key("once"), body),
		p.swaps(ctx),
		p.wrongChecksum(ctx),
		p.readRange(ctx, key, body),
		p.list(ctx, key, body),
		p.clock(ctx, key),
	}
	return caps, ctx.Err()
}

func (p *probe) secondPut(ctx context.Context, key string, body []byte) Capability {
	c := Capability{Name: ConditionalPut, Required: true}
	if err := p.store.Put(ctx, key, body, snapshot.PutOptions{}); err != nil {
		c.Detail = err.Error()
		return c
	}
	err := p.store.Put(ctx, key, []byte("another body"), snapshot.PutOptions{})
	now, readErr := p.read(ctx, key, snapshot.Range{})
	switch {
	case readErr != nil:
		c.Detail = readErr.Error()
	case !bytes.Equal(now, body):
		c.Detail = "a second put replaced the object: two writers could both believe they won"
	case !errors.Is(err, fs.ErrExist):
		c.Detail = fmt.Sprintf("a second put was not refused as existing: %v", err)
	default:
		c.OK = true
	}
	return c
}

func (p *probe) swaps(ctx context.Context) Capability {
	c := Capability{Name: ConditionalSwap, Required: true}
	if err := p.trySwaps(ctx, p.key("register")); err != nil {
		c.Detail = err.Error()
		return c
	}
	c.OK = true
	return c
}

func (p *probe) trySwaps(ctx context.Context, key string) error {
	first, err := p.store.Swap(ctx, key, []byte("one"), "")
	if err != nil {
		return err
	}
	if _, err := p.store.Swap(ctx, key, []byte("two"), ""); !errors.Is(err, snapshot.ErrConflict) {
		return fmt.Errorf("creating what exists was not refused: %v", err)
	}
	if _, err := p.store.Swap(ctx, key, []byte("three"), first); err != nil {
		return err
	}
	if _, err := p.store.Swap(ctx, key, []byte("four"), first); !errors.Is(err, snapshot.ErrConflict) {
		return fmt.Errorf("replacing a version that is gone was not refused: %v", err)
	}
	r, err := p.store.Load(ctx, key)
	if err != nil {
		return err
	}
	if string(r.Body) != "three" {
		return errors.New("a refused swap changed the object")
	}
	return nil
}

func (p *probe) wrongChecksum(ctx context.Context) Capability {
	c := Capability{Name: ChecksumCheck}
	err := p.store.Put(ctx, p.key("checksum"), []byte("not this"), snapshot.PutOptions{SHA256: sha256.Sum256([]byte("this"))})
	if err == nil {
		c.Detail = "a body with a wrong SHA-256 was accepted: damage on the way shows only at the next verify"
		return c
	}
	c.OK = true
	return c
}

func (p *probe) readRange(ctx context.Context, key string, body []byte) Capability {
	c := Capability{Name: RangeRead, Required: true}
	part, err := p.read(ctx, key, snapshot.Range{Offset: 3, Length: 5})
	switch {
	case err != nil:
		c.Detail = err.Error()
	case !bytes.Equal(part, body[3:8]):
		c.Detail = fmt.Sprintf("5 bytes were asked for and %d others came", len(part))
	default:
		c.OK = true
	}
	return c
}

func (p *probe) list(ctx context.Context, key string, body []byte) Capability {
	c := Capability{Name: ListAfterPut, Required: true, Detail: "a stored object was not listed"}
	for o, err := range p.store.List(ctx, p.prefix) {
		if err != nil {
			c.Detail = err.Error()
			return c
		}
		if o.Key == key && o.Size == int64(len(body)) {
			return Capability{Name: c.Name, Required: true, OK: true}
		}
	}
	return c
}

// clock compares the store's clock with this host's, on a key that a store whose listings
// lag must have.
func (p *probe) clock(ctx context.Context, key string) Capability {
	c := Capability{Name: ClockAgrees, Required: true}
	r, err := p.store.Load(ctx, key)
	skew := time.Since(r.Now).Round(time.Second)
	switch {
	case err != nil:
		c.Detail = err.Error()
	case r.Now.IsZero():
		c.Detail = "the store does not tell the time"
	case skew.Abs() > MaxSkew:
		c.Detail = fmt.Sprintf("this host and the store are %v apart, more than %v", skew.Abs(), MaxSkew)
	default:
		c.OK, c.Detail = true, fmt.Sprintf("%v apart", skew.Abs())
	}
	return c
}

func (p *probe) read(ctx context.Context, key string, r snapshot.Range) ([]byte, error) {
	body, err := p.store.Get(ctx, key, r)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(body, 1<<10))
	return b, errors.Join(err, body.Close())
}

// clean removes every probe object and returns the first reason why one stays.
func (p *probe) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var left error
	for _, key := range p.keys {
		if err := p.store.Delete(ctx, key); err != nil && left == nil {
			left = err
		}
	}
	return left
}

// putAgain stores what clean deleted: damage heals so. Buckets with versions can be bad at it.
func (p *probe) putAgain(ctx context.Context) Capability {
	c := Capability{Name: PutAfterDelete}
	err := p.store.Put(ctx, p.prefix+"object", []byte("holdfast probe again"), snapshot.PutOptions{})
	if err = errors.Join(err, p.clean(ctx)); err != nil {
		c.Detail = err.Error()
		return c
	}
	c.OK = true
	return c
}

// deleting tells whether cleaning up worked. A credential that cannot delete is a fine one
// to take snapshots with.
func (p *probe) deleting(left error) Capability {
	c := Capability{Name: DeleteObjects, OK: left == nil}
	switch {
	case errors.Is(left, snapshot.ErrDenied):
		c.Detail = "these credentials may not delete, which suits a host that only takes snapshots; " + p.prefix + " stays"
	case left != nil:
		c.Detail = left.Error() + "; " + p.prefix + " stays"
	}
	return c
}
