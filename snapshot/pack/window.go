package pack

import (
	"context"
	"math"
	"slices"
	"sync"
)

// A window keeps decrypted packs within a budget of bytes and shares them between all that
// read. Since every reader knows its chunks beforehand, a pack makes room that is needed
// again last (Belady's rule), and packs are loaded ahead of their first use whenever that
// pushes out only what is needed later still.
//
// No reader can block another for good: a pack is pinned only while one chunk of it is
// decompressed into a buffer the reader already holds, never while anybody waits.
type window struct {
	packs  []Info
	budget int64
	fetch  func(context.Context, Info, []byte) ([]byte, error)

	mu      sync.Mutex
	changed sync.Cond // a pack was loaded, unpinned or dropped, or a plan ended
	held    map[uint32]*held
	used    int64 // bytes of all buffers, also of loads that were given up
	loading int
	urgent  int // readers that wait for room
	plans   []*plan
	clock   uint64 // counts acquires
}

// A held pack is loading or loaded.
type held struct {
	buf     []byte
	plain   []byte // once loaded
	err     error  // why it was not
	loading bool
	pins    int
	used    uint64             // the window's clock when it was last acquired
	wanted  []*plan            // who waits for the load or began it ahead
	cancel  context.CancelFunc // of the load
}

// maxLoading is how many packs are fetched ahead at once: enough to hide the latency of an
// object store behind 8 MiB each.
const maxLoading = 4

func newWindow(packs []Info, budget int64, fetch func(context.Context, Info, []byte) ([]byte, error)) *window {
	w := &window{packs: packs, budget: budget, fetch: fetch, held: make(map[uint32]*held)}
	w.changed.L = &w.mu
	return w
}

// acquire returns the decrypted pack of chunk i of p, pinned.
func (w *window) acquire(p *plan, i int) (*held, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.advance(i)
	row := p.chunks[i].Pack
	h, err := w.find(p, row)
	if err != nil {
		return nil, err
	}
	w.clock++
	h.used = w.clock
	h.pins++
	h.want(p)
	w.ahead(p)
	for h.loading && p.ctx.Err() == nil {
		w.changed.Wait()
	}
	if err := p.ctx.Err(); err != nil {
		w.unpin(h)
		return nil, err
	}
	if h.err != nil {
		return nil, h.err
	}
	return h, nil
}

func (w *window) release(h *held) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unpin(h)
}

// join lets a plan take part in what is dropped and loaded.
func (w *window) join(p *plan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plans = append(w.plans, p)
}

// leave ends a plan, whose context has ended. Loads that nobody else wants are cancelled and
// waited for, so that no goroutine outlives the readers.
func (w *window) leave(p *plan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plans = slices.DeleteFunc(w.plans, func(q *plan) bool { return q == p })
	var orphans []*held
	for row, h := range w.held {
		h.wanted = slices.DeleteFunc(h.wanted, func(q *plan) bool { return q == p })
		if h.loading && len(h.wanted) == 0 {
			h.cancel()
			delete(w.held, row)
			orphans = append(orphans, h)
		}
	}
	for _, h := range orphans {
		for h.loading {
			w.changed.Wait()
		}
	}
}

// wake makes all that wait look at their context again.
func (w *window) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed.Broadcast()
}

// find returns the pack of row, beginning to load it if need be.
func (w *window) find(p *plan, row uint32) (*held, error) {
	w.urgent++
	defer func() { w.urgent-- }()
	for {
		if err := p.ctx.Err(); err != nil {
			return nil, err
		}
		if h := w.held[row]; h != nil {
			return h, nil
		}
		if buf := w.room(w.packs[row].Size, anyway); buf != nil {
			return w.load(p, row, buf), nil
		}
		w.changed.Wait()
	}
}

// ahead loads what p needs next, as far as that is an improvement. Whoever waits for room
// goes first.
func (w *window) ahead(p *plan) {
	for p.ahead < len(p.chunks) && w.loading < maxLoading && w.urgent == 0 {
		row := p.chunks[p.ahead].Pack
		if w.held[row] == nil {
			buf := w.room(w.packs[row].Size, p.ahead-p.pos)
			if buf == nil {
				return
			}
			w.load(p, row, buf)
		}
		p.ahead++
	}
}

// load fetches a pack. It runs on when the reader that began it ends and another wants it.
func (w *window) load(p *plan, row uint32, buf []byte) *held {
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.ctx))
	h := &held{buf: buf, loading: true, wanted: []*plan{p}, cancel: cancel}
	w.held[row] = h
	w.loading++
	go func() {
		defer cancel()
		info := w.packs[row]
		plain, err := w.fetch(ctx, info, buf[:info.Size])
		w.mu.Lock()
		defer w.mu.Unlock()
		h.plain, h.err, h.loading = plain, err, false
		h.wanted = nil
		w.loading--
		if w.held[row] != h { // given up meanwhile
			w.used -= int64(cap(buf))
		} else if err != nil {
			w.drop(row)
		}
		w.changed.Broadcast()
	}()
	return h
}

// anyway makes room at the cost of any pack that is not in use.
const anyway = -1

// room makes place for size bytes by dropping packs that nobody needs within so many chunks.
// It returns nil if that is not enough. One in use is not passed over for one needed sooner:
// it is free in the time it takes to decompress a chunk, a fetch takes far longer.
func (w *window) room(size int64, within int) []byte {
	var buf []byte
	for w.used+size > w.budget {
		row, need := w.farthest()
		if need <= within || w.held[row].pins > 0 {
			return nil
		}
		old := w.held[row].buf
		w.drop(row)
		if int64(cap(old)) >= size && int64(cap(old)) <= size+size/8 {
			buf = old
		}
	}
	if buf == nil {
		buf = make([]byte, size)
	}
	w.used += int64(cap(buf))
	return buf[:size]
}

// farthest returns the loaded pack that is needed last, and in how many chunks; -1 if none is
// loaded. Among packs that nobody needs, it is the one last used longest ago: the next stream
// to be opened is likely to begin where another ended.
func (w *window) farthest() (row uint32, need int) {
	need = -1
	oldest := uint64(0)
	for r, h := range w.held {
		if h.loading {
			continue
		}
		soonest := math.MaxInt
		for _, p := range w.plans {
			soonest = min(soonest, p.distance(r))
		}
		if soonest > need || soonest == need && h.used < oldest {
			row, need, oldest = r, soonest, h.used
		}
	}
	return row, need
}

func (w *window) drop(row uint32) {
	w.used -= int64(cap(w.held[row].buf))
	delete(w.held, row)
}

func (w *window) unpin(h *held) {
	h.pins--
	w.changed.Broadcast()
}

func (h *held) want(p *plan) {
	if h.loading && !slices.Contains(h.wanted, p) {
		h.wanted = append(h.wanted, p)
	}
}
