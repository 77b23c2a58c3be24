package store

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync/atomic"

	"holdfast/snapshot"
)

// A Store is all that a repository needs of the place it is in.
type Store interface {
	snapshot.Store
	snapshot.Registers
}

// MaxRegister is how many bytes fit into a register, in every store.
const MaxRegister = 1 << 20

// ReadOnly returns s without the rights to change it: Put, Swap and Delete are errors
// matching snapshot.ErrDenied and never reach s.
func ReadOnly(s Store) Store { return readOnly{s} }

type readOnly struct{ Store }

func (r readOnly) Put(_ context.Context, key string, _ []byte, _ snapshot.PutOptions) error {
	return fmt.Errorf("storing %s in a store opened for reading only: %w", key, snapshot.ErrDenied)
}

func (r readOnly) Delete(_ context.Context, key string) error {
	return fmt.Errorf("deleting %s in a store opened for reading only: %w", key, snapshot.ErrDenied)
}

func (r readOnly) Swap(_ context.Context, key string, _ []byte, _ string) (string, error) {
	return "", fmt.Errorf("swapping %s in a store opened for reading only: %w", key, snapshot.ErrDenied)
}

// Unwrap returns the store that r protects.
func (r readOnly) Unwrap() Store { return r.Store }

// Counts are the calls made of a store and the bytes of bodies that went each way. A List
// counts once, whatever number of objects it yields.
type Counts struct {
	Puts, Gets, Lists, Deletes, Loads, Swaps int64
	Sent, Received, Listed                   int64 // bytes, bytes, objects
}

// A CountedStore counts what is asked of the store under it.
type CountedStore struct {
	store                                    Store
	puts, gets, lists, deletes, loads, swaps atomic.Int64
	sent, received, listed                   atomic.Int64
}

// Counted returns s with every call counted, those that fail too.
func Counted(s Store) *CountedStore { return &CountedStore{store: s} }

// Counts returns the counts so far.
func (c *CountedStore) Counts() Counts {
	return Counts{
		Puts: c.puts.Load(), Gets: c.gets.Load(), Lists: c.lists.Load(),
		Deletes: c.deletes.Load(), Loads: c.loads.Load(), Swaps: c.swaps.Load(),
		Sent: c.sent.Load(), Received: c.received.Load(), Listed: c.listed.Load(),
	}
}

// Put implements snapshot.Store.
func (c *CountedStore) Put(ctx context.Context, key string, body []byte, o snapshot.PutOptions) error {
	c.puts.Add(1)
	c.sent.Add(int64(len(body)))
	return c.store.Put(ctx, key, body, o)
}

// Get implements snapshot.Store.
func (c *CountedStore) Get(ctx context.Context, key string, r snapshot.Range) (io.ReadCloser, error) {
	c.gets.Add(1)
	body, err := c.store.Get(ctx, key, r)
	if err != nil {
		return nil, err
	}
	return &countedReader{ReadCloser: body, bytes: &c.received}, nil
}

type countedReader struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.bytes.Add(int64(n))
	return n, err
}

// List implements snapshot.Store.
func (c *CountedStore) List(ctx context.Context, prefix string) iter.Seq2[snapshot.Object, error] {
	return func(yield func(snapshot.Object, error) bool) {
		c.lists.Add(1)
		for o, err := range c.store.List(ctx, prefix) {
			if err == nil {
				c.listed.Add(1)
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// Delete implements snapshot.Store.
func (c *CountedStore) Delete(ctx context.Context, key string) error {
	c.deletes.Add(1)
	return c.store.Delete(ctx, key)
}

// Load implements snapshot.Registers.
func (c *CountedStore) Load(ctx context.Context, key string) (snapshot.Register, error) {
	c.loads.Add(1)
	r, err := c.store.Load(ctx, key)
	c.received.Add(int64(len(r.Body)))
	return r, err
}

// Swap implements snapshot.Registers.
func (c *CountedStore) Swap(ctx context.Context, key string, body []byte, old string) (string, error) {
	c.swaps.Add(1)
	c.sent.Add(int64(len(body)))
	return c.store.Swap(ctx, key, body, old)
}

// Unwrap returns the store that c counts.
func (c *CountedStore) Unwrap() Store { return c.store }
