package pack

import (
	"crypto/sha256"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"
)

// A slot holds one of the packs that are open. There are two, and every new chunk goes to one
// chosen at random: published attacks on content-defined chunking (Truong et al., "Breaking
// and Fixing Content-Defined Chunking", 2025) recover the cutting key from the lengths of
// chunks that follow each other. What an observer sees here are padded sums over a random half
// of the chunks, and age hides where in a pack one ends.
type slot struct {
	mu sync.Mutex
	p  *filling // nil until a chunk comes
}

// A filling is a pack that is not full. It is encrypted as it grows, so the frames exist
// nowhere else, and closed only when it is whole.
type filling struct {
	row    uint32
	body   appender
	age    io.WriteCloser // into body
	size   int            // of the frames
	chunks []Chunk
}

// An appender is a buffer that gives its bytes back.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// append puts a frame into one of the open packs and returns where it lies. It waits while
// all packs are on their way to the store.
func (w *Writer) append(c Chunk, frame []byte, random uint64) (spot, error) {
	s := &w.slots[random%uint64(len(w.slots))]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.p != nil && s.p.size+len(frame) > w.o.PackSize {
		w.store(s.p)
		s.p = nil
	}
	if s.p == nil {
		p, err := w.begin()
		if err != nil {
			return spot{}, err
		}
		s.p = p
	}
	return s.p.add(c, frame)
}

// begin opens a pack in a buffer that is used again and again.
func (w *Writer) begin() (*filling, error) {
	p := &filling{}
	select {
	case b := <-w.bodies:
		p.body.b = w.roomy(b)
	case <-w.ctx.Done():
		return nil, w.failure()
	}
	var err error
	if p.age, err = age.Encrypt(&p.body, w.o.Recipient); err != nil {
		return nil, fmt.Errorf("encrypting a pack: %w", err)
	}
	p.row = w.table.open()
	return p, nil
}

// roomy returns b empty, with room for a whole pack at once, since growing would copy and
// leave megabytes behind. The 16 KiB are for age's header and tags: 16 bytes every 64 KiB.
func (w *Writer) roomy(b []byte) []byte {
	if b != nil {
		return b[:0]
	}
	return make([]byte, 0, paddedSize(int64(w.o.PackSize))+16<<10)
}

func (p *filling) add(c Chunk, frame []byte) (spot, error) {
	if _, err := p.age.Write(frame); err != nil {
		return spot{}, fmt.Errorf("encrypting a pack: %w", err)
	}
	c.Offset = uint32(p.size)
	p.chunks = append(p.chunks, c)
	p.size += len(frame)
	return spot{p.row, c.Offset, c.Length}, nil
}

// finish pads and closes a pack and names it by its hash. Closing age is what makes it whole,
// so a failed write never gets there.
func (p *filling) finish() (Stored, error) {
	if err := writePadding(p.age, int64(p.size)); err != nil {
		return Stored{}, fmt.Errorf("encrypting a pack: %w", err)
	}
	if err := p.age.Close(); err != nil {
		return Stored{}, fmt.Errorf("encrypting a pack: %w", err)
	}
	body := p.body.b
	return Stored{Info: Info{Sum: sha256.Sum256(body), Size: int64(len(body))}, Body: body, Chunks: p.chunks}, nil
}

// store sends a pack on its way. There are never more on it than there are bodies.
func (w *Writer) store(p *filling) {
	w.finishing.Go(func() {
		if err := w.put(p); err != nil {
			w.cancel(err)
		}
	})
}

func (w *Writer) put(p *filling) error {
	s, err := p.finish()
	if err != nil {
		return err
	}
	select {
	case w.puts <- struct{}{}:
	case <-w.ctx.Done():
		return w.failure()
	}
	defer func() { <-w.puts }()
	if err := w.o.Put(w.ctx, s); err != nil {
		return fmt.Errorf("storing pack %x: %w", s.Sum, err)
	}
	w.table.fill(p.row, s.Info)
	w.count(Stats{Packs: 1, NewBytes: s.Size})
	w.bodies <- s.Body
	return nil
}
