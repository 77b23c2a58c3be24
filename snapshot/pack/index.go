package pack

import (
	"context"
	"sync"
)

// An index is where the chunks of one run are. It makes sure that each is stored once, also
// when two workers meet the same chunk at the same moment.
type index struct {
	mu      sync.Mutex
	settled sync.Cond
	at      map[ID]spot
}

// A spot is where a chunk is; one of length zero is claimed and not stored yet.
type spot struct{ pack, offset, length uint32 }

func newIndex() *index {
	x := &index{at: make(map[ID]spot)}
	x.settled.L = &x.mu
	return x
}

// claim returns where a chunk is, or mine if the caller is the first to meet it and must
// settle it. Who meets a chunk that another worker claimed waits for that worker, which never
// waits for a claim while it holds one.
func (x *index) claim(ctx context.Context, id ID) (at spot, mine bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for {
		at, known := x.at[id]
		if !known {
			x.at[id] = spot{}
			return spot{}, true, nil
		}
		if at.length > 0 {
			return at, false, nil
		}
		if err := ctx.Err(); err != nil {
			return spot{}, false, err
		}
		x.settled.Wait()
	}
}

// find returns where a chunk is, if this run met it. Like claim it waits for who claimed it.
func (x *index) find(ctx context.Context, id ID) (at spot, ok bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for {
		at, known := x.at[id]
		if !known || at.length > 0 {
			return at, known, nil
		}
		if err := ctx.Err(); err != nil {
			return spot{}, false, err
		}
		x.settled.Wait()
	}
}

func (x *index) settle(id ID, at spot) {
	x.mu.Lock()
	x.at[id] = at
	x.mu.Unlock()
	x.settled.Broadcast()
}

// wake makes waiting claims look at their context again.
func (x *index) wake() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.settled.Broadcast()
}
