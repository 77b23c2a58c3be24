package pack

import (
	"context"
	"math"
)

// A plan is what one reader will need: its chunks, and for each when its pack is needed again.
type plan struct {
	ctx    context.Context
	chunks []Ref
	next   []uint32       // the next chunk in the same pack; len(chunks) if there is none
	at     map[uint32]int // the next chunk in a pack that has one to come
	pos    int            // the chunk that is read now
	ahead  int            // packs of chunks before it are loaded or loading
}

func newPlan(ctx context.Context, chunks []Ref) *plan {
	p := &plan{ctx: ctx, chunks: chunks, next: make([]uint32, len(chunks)), at: make(map[uint32]int)}
	for i := len(chunks) - 1; i >= 0; i-- {
		row := chunks[i].Pack
		next, again := p.at[row]
		if !again {
			next = len(chunks)
		}
		p.next[i] = uint32(next)
		p.at[row] = i
	}
	return p
}

// advance moves on to chunk i; every chunk is visited once, in order.
func (p *plan) advance(i int) {
	p.pos = i
	p.ahead = max(p.ahead, i)
	row := p.chunks[i].Pack
	if next := int(p.next[i]); next < len(p.chunks) {
		p.at[row] = next
	} else {
		delete(p.at, row)
	}
}

// distance is in how many chunks a pack is needed again.
func (p *plan) distance(row uint32) int {
	next, needed := p.at[row]
	if !needed {
		return math.MaxInt
	}
	return next - p.pos
}
