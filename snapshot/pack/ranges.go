package pack

import (
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"
)

// A ranged reads a part of a stream in batches, without reading packs whole. Nothing runs
// between two calls of Read.
type ranged struct {
	r      *Reader
	ctx    context.Context
	ids    *ids
	chunks []Ref // that hold what is left
	skip   int   // bytes of the first of them that lie before the range
	left   int64 // bytes of the range to hand out
	packs  map[uint32]*partial
	buf    []byte
	rest   []byte // of buf
	err    error  // sticky
}

const (
	batchBytes = 4 << 20 // plaintext handled at once
	rangePacks = 16      // packs whose header and last block are kept, about 70 KiB each
)

func (g *ranged) Read(p []byte) (int, error) {
	if len(p) == 0 || g.err != nil {
		return 0, g.err
	}
	if g.left == 0 {
		return 0, io.EOF
	}
	if len(g.rest) == 0 {
		if g.err = g.fill(); g.err != nil {
			return 0, g.err
		}
	}
	n := copy(p[:min(int64(len(p)), g.left)], g.rest)
	g.rest = g.rest[n:]
	g.left -= int64(n)
	return n, nil
}

func (g *ranged) Close() error {
	g.err = errReaderClosed
	g.buf, g.rest, g.packs = nil, nil, nil
	return nil
}

// fill reads the next batch of chunks and checks each.
func (g *ranged) fill() error {
	n, size := 0, 0
	for n < len(g.chunks) && (n == 0 || size+int(g.chunks[n].Plain) <= batchBytes) {
		size += int(g.chunks[n].Plain)
		n++
	}
	if cap(g.buf) < size {
		g.buf = make([]byte, size)
	}
	g.buf = g.buf[:size]
	batch := g.chunks[:n]
	if err := g.read(batch); err != nil {
		return err
	}
	for off := 0; len(batch) > 0; batch = batch[1:] {
		c := batch[0]
		if g.ids.of(g.buf[off:off+int(c.Plain)]) != c.ID {
			return g.r.damage(c, fmt.Errorf("the chunk at %d has another id", c.Offset))
		}
		off += int(c.Plain)
	}
	g.chunks = g.chunks[n:]
	g.rest, g.skip = g.buf[g.skip:], 0
	return nil
}

// read decompresses a batch into buf, a few packs at once.
func (g *ranged) read(batch []Ref) error {
	if len(g.packs) > rangePacks || g.packs == nil {
		g.packs = make(map[uint32]*partial)
	}
	wanted := make(map[uint32][]want)
	off := 0
	for _, c := range batch {
		end := off + int(c.Plain)
		wanted[c.Pack] = append(wanted[c.Pack], want{c, g.buf[off:off:end]})
		off = end
	}
	grp, ctx := errgroup.WithContext(g.ctx)
	grp.SetLimit(maxLoading)
	for row, wants := range wanted {
		p := g.packs[row]
		if p == nil {
			p = &partial{r: g.r, info: g.r.o.Packs[row]}
			g.packs[row] = p
		}
		grp.Go(func() error { return p.read(ctx, wants) })
	}
	return grp.Wait()
}

// A want is a chunk and where its plaintext goes.
type want struct {
	Ref
	dst []byte // empty, with room for exactly the plaintext
}

// A partial is a pack of which only some bytes are fetched.
type partial struct {
	r    *Reader
	info Info
	src  extents
	age  io.ReaderAt // nil until the header was read
	size int64       // of the plaintext
}

// read fetches the blocks that wants lie in and decompresses them.
func (p *partial) read(ctx context.Context, wants []want) error {
	p.src.fetch = func(off, n int64) ([]byte, error) { return p.fetch(ctx, off, n) }
	if err := p.open(); err != nil {
		return err
	}
	for _, w := range wants {
		if int64(w.Offset)+int64(w.Length) > p.size {
			return &Damage{p.info.Sum, errors.New("a chunk reaches past its end")}
		}
	}
	if err := p.src.load(p.blocks(wants)); err != nil {
		return err
	}
	defer p.src.unload()
	var frame []byte
	for _, w := range wants {
		frame = append(frame[:0], make([]byte, w.Length)...)
		if _, err := p.age.ReadAt(frame, int64(w.Offset)); err != nil && err != io.EOF {
			return p.failure(err)
		}
		if _, err := p.r.decode(w.dst, frame, w.Ref); err != nil {
			return err
		}
	}
	return nil
}

// open reads the header and the last block, which proves the length.
func (p *partial) open() error {
	if p.age != nil {
		return nil
	}
	src, size, err := age.DecryptReaderAt(&p.src, p.info.Size, p.r.o.Identity)
	if err != nil {
		return p.failure(err)
	}
	p.age, p.size = src, size
	p.src.keep()
	return nil
}

// failure tells what age made of a failed fetch from damage that age found.
func (p *partial) failure(err error) error {
	if p.src.err != nil {
		return p.src.err
	}
	return &Damage{p.info.Sum, fmt.Errorf("decrypting: %w", err)}
}

// fetch gets exactly n bytes at off. If the store does not give them, the whole pack is
// looked at: a store cannot say in words common to all that an object was cut.
func (p *partial) fetch(ctx context.Context, off, n int64) ([]byte, error) {
	b, err := p.part(ctx, off, n)
	if err == nil || errors.Is(err, ErrDamaged) || ctx.Err() != nil {
		return b, err
	}
	whole, werr := p.r.request(ctx, p.info, 0, 0)
	if werr != nil {
		return nil, err
	}
	defer whole.Close()
	if werr := CheckStored(whole, p.info); errors.Is(werr, ErrDamaged) {
		return nil, werr
	}
	return nil, err
}

func (p *partial) part(ctx context.Context, off, n int64) ([]byte, error) {
	body, err := p.r.request(ctx, p.info, off, n)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b := make([]byte, n)
	k, err := readFull(body, b)
	if err != nil {
		return nil, fmt.Errorf("fetching pack %x: %w", p.info.Sum, err)
	}
	if int64(k) < n {
		return nil, &Damage{p.info.Sum, fmt.Errorf("ends before %d of its %d bytes", off+n, p.info.Size)}
	}
	return b, nil
}

// locate returns the chunks that hold length bytes from offset, and how many bytes of the
// first come before offset.
func locate(chunks []Ref, offset, length int64) (part []Ref, skip int, err error) {
	if offset < 0 || length < 0 {
		return nil, 0, fmt.Errorf("reading %d bytes at %d: negative", length, offset)
	}
	total := int64(0)
	for _, c := range chunks {
		total += int64(c.Plain)
	}
	if offset > total || length > total-offset {
		return nil, 0, fmt.Errorf("reading %d bytes at %d: past the end of %d", length, offset, total)
	}
	for len(chunks) > 0 && offset >= int64(chunks[0].Plain) {
		offset -= int64(chunks[0].Plain)
		chunks = chunks[1:]
	}
	n := 0
	for left := offset + length; left > 0; n++ {
		left -= int64(chunks[n].Plain)
	}
	return chunks[:n], int(offset), nil
}
