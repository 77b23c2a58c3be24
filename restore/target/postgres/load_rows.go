package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/restore"
	"holdfast/snapshot/source/postgres/link"
)

// copyParts loads parts of a table by one COPY. Its count is the server's.
func (l *loading) copyParts(ctx context.Context, c *link.Conn, t *table, parts []part, frozen bool) error {
	f := l.feed(ctx, parts)
	rows, err := c.CopyIn(ctx, f, copyIn(t, frozen))
	loaded, feedErr := f.stop()
	if err != nil {
		return fmt.Errorf("loading %s: %w", t, err)
	}
	if feedErr != nil {
		return fmt.Errorf("loading %s: %w", t, feedErr)
	}
	var want int64
	for _, p := range parts {
		want += p.info.Rows
	}
	if rows != want {
		return fmt.Errorf("loading %s: %w: the server took %d rows instead of %d", t, ErrDiffers, rows, want)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loaded = append(l.loaded, loaded...)
	return nil
}

// A feed reads parts one after another, ahead of the server: so the next rows are decrypted while it
// stores those before. It reads io.EOF only when every part came to its own and was what
// the dump says.
type feed struct {
	cancel context.CancelFunc
	blocks chan []byte // filled, in order; closed after the last
	free   chan []byte
	block  []byte // being read
	at     int    // in it

	whole  bool // valid, as are the next two, once blocks is closed
	err    error
	loaded []restore.LoadedStream
}

// A session reads ahead by this much.
const (
	feedBlock  = 256 << 10
	feedBlocks = 12
)

// errStopped means that the server ended a COPY before all rows were sent.
var errStopped = errors.New("the rows were not read to their end")

func (l *loading) feed(ctx context.Context, parts []part) *feed {
	ctx, cancel := context.WithCancel(ctx)
	f := &feed{cancel: cancel, blocks: make(chan []byte, feedBlocks), free: make(chan []byte, feedBlocks)}
	for range feedBlocks {
		f.free <- nil // made when it is first used
	}
	go func() {
		defer close(f.blocks)
		f.err = f.fill(ctx, l.dump, parts)
		f.whole = f.err == nil
	}()
	return f
}

func (f *feed) fill(ctx context.Context, d restore.Dump, parts []part) error {
	var block []byte
	for _, p := range parts {
		var err error
		if block, err = f.part(ctx, d, p, block); err != nil {
			return err
		}
	}
	return f.send(ctx, block)
}

// part reads one part to its io.EOF. Blocks are handed on as they fill; what is in the last one is returned.
func (f *feed) part(ctx context.Context, d restore.Dump, p part, block []byte) (_ []byte, err error) {
	r, err := d.Open(ctx, p.info.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var rows, size int64
	for {
		if len(block) == cap(block) {
			if block, err = f.next(ctx, block); err != nil {
				return nil, err
			}
		}
		n, err := r.Read(block[len(block):cap(block)])
		fresh := block[len(block) : len(block)+n]
		rows, size = rows+int64(bytes.Count(fresh, newline)), size+int64(n)
		block = block[:len(block)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if rows != p.info.Rows || size != p.info.Bytes {
		return nil, fmt.Errorf("stream %q: %w: it gave %d rows and %d bytes instead of %d and %d",
			p.info.Name, ErrDiffers, rows, size, p.info.Rows, p.info.Bytes)
	}
	f.loaded = append(f.loaded, restore.LoadedStream{Name: p.info.Name, Rows: rows, Bytes: size})
	return block, nil
}

var newline = []byte{'\n'}

// next hands on a full block and returns an empty one.
func (f *feed) next(ctx context.Context, full []byte) ([]byte, error) {
	if err := f.send(ctx, full); err != nil {
		return nil, err
	}
	select {
	case b := <-f.free:
		if b == nil {
			b = make([]byte, 0, feedBlock)
		}
		return b[:0], nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (f *feed) send(ctx context.Context, block []byte) error {
	if len(block) == 0 {
		return nil
	}
	select {
	case f.blocks <- block:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Read implements io.Reader.
func (f *feed) Read(p []byte) (int, error) {
	if f.at == len(f.block) {
		if f.block != nil {
			f.free <- f.block // has room for all of them
		}
		var ok bool
		f.block, ok = <-f.blocks
		f.at = 0
		switch {
		case ok:
		case f.whole:
			return 0, io.EOF
		default:
			return 0, f.err
		}
	}
	n := copy(p, f.block[f.at:])
	f.at += n
	return n, nil
}

// stop ends a feed and waits for it. Without an error every part was read to its end.
func (f *feed) stop() ([]restore.LoadedStream, error) {
	f.cancel()
	for range f.blocks { // to let it end
	}
	if !f.whole {
		return nil, errors.Join(errStopped, f.err)
	}
	return f.loaded, nil
}
