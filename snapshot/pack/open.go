package pack

import (
	"context"
	"errors"
	"io"
	"sync"
)

// An opened reads whole chunks in order. One goroutine walks the chunks and pins their packs,
// one for each chunk in flight decompresses it, Read takes them in order.
type opened struct {
	r      *Reader
	plan   *plan
	ctx    context.Context
	cancel context.CancelFunc
	begun  bool
	closed bool
	ready  chan *piece // in the order of chunks
	free   chan *piece
	work   sync.WaitGroup

	now  *piece // being read
	rest []byte // of now
	err  error  // sticky
}

// A piece is the plaintext of one chunk.
type piece struct {
	buf  []byte // empty, with room for any chunk; reused
	out  []byte // in buf
	err  error
	done chan struct{} // gets one value when out or err is there
}

// pieceBytes bounds the plaintext that one reader has waiting.
const pieceBytes = 4 << 20

var errReaderClosed = errors.New("the reader is closed")

func newOpened(ctx context.Context, r *Reader, chunks []Ref) *opened {
	largest := uint32(1)
	for _, c := range chunks {
		largest = max(largest, c.Plain)
	}
	n := min(max(pieceBytes/int(largest), 3), 16, len(chunks))
	o := &opened{r: r, ready: make(chan *piece, n), free: make(chan *piece, n)}
	for range n {
		o.free <- &piece{buf: make([]byte, 0, largest), done: make(chan struct{}, 1)}
	}
	o.ctx, o.cancel = context.WithCancel(ctx)
	o.plan = newPlan(o.ctx, chunks)
	return o
}

func (o *opened) Read(p []byte) (int, error) {
	if len(p) == 0 || o.err != nil {
		return 0, o.err
	}
	if !o.begun {
		o.begin()
	}
	if len(o.rest) == 0 {
		if o.err = o.advance(); o.err != nil {
			return 0, o.err
		}
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// Close ends everything that the reader began and waits for it.
func (o *opened) Close() error {
	o.cancel()
	if o.begun && !o.closed {
		o.work.Wait()
		o.r.window.leave(o.plan)
	}
	o.closed, o.begun = true, true
	o.rest, o.err = nil, errReaderClosed
	return nil
}

func (o *opened) begin() {
	o.begun = true
	context.AfterFunc(o.ctx, o.r.window.wake)
	o.r.window.join(o.plan)
	o.work.Go(o.feed)
}

// advance moves Read on to the next piece.
func (o *opened) advance() error {
	if o.now != nil {
		o.free <- o.now // has room for all
		o.now = nil
	}
	select {
	case pc, more := <-o.ready:
		if !more {
			return io.EOF
		}
		<-pc.done
		o.now, o.rest = pc, pc.out
		return pc.err
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
}

// feed begins a piece for every chunk, as pieces come free. It takes the piece first, so that
// a pinned pack never waits for whoever reads.
func (o *opened) feed() {
	for i, c := range o.plan.chunks {
		var pc *piece
		select {
		case pc = <-o.free:
		case <-o.ctx.Done():
			return
		}
		h, err := o.r.window.acquire(o.plan, i)
		if err != nil {
			pc.fail(err)
			o.ready <- pc
			return
		}
		o.work.Go(func() {
			pc.take(o.r, h.plain, c)
			o.r.window.release(h)
		})
		o.ready <- pc // has room for all
	}
	close(o.ready)
}

// take decompresses one chunk of a decrypted pack.
func (pc *piece) take(r *Reader, plain []byte, c Ref) {
	end := int64(c.Offset) + int64(c.Length)
	if end > int64(len(plain)) {
		pc.fail(r.damage(c, errors.New("a chunk reaches past its end")))
		return
	}
	pc.out, pc.err = r.decode(pc.buf[:0:c.Plain], plain[c.Offset:end], c)
	pc.done <- struct{}{}
}

func (pc *piece) fail(err error) {
	pc.out, pc.err = nil, err
	pc.done <- struct{}{}
}
