package files

import (
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/restore"
	"holdfast/snapshot/source/files"
)

// members yields what is to be restored, in order, with the data of files.
type members interface {
	next() (files.Entry, io.Reader, error)
	loaded() []restore.LoadedStream // what was yielded so far
	close() error
}

// A whole reads both streams from end to end.
type whole struct {
	r           *files.Reader
	tree, index io.Closer
	entries     int64
}

func openWhole(ctx context.Context, d restore.Dump) (*whole, error) {
	tree, index, err := openBoth(ctx, d)
	if err != nil {
		return nil, err
	}
	return &whole{r: files.NewReader(tree, index), tree: tree, index: index}, nil
}

func (w *whole) next() (files.Entry, io.Reader, error) {
	e, data, err := w.r.Next()
	if err == nil {
		w.entries++
	}
	return e, data, err
}

func (w *whole) loaded() []restore.LoadedStream {
	return []restore.LoadedStream{
		{Name: files.TreeStream, Rows: w.entries, Bytes: w.r.TreeBytes()},
		{Name: files.IndexStream, Bytes: w.r.IndexBytes()},
	}
}

func (w *whole) close() error { return closeBoth(w.tree, w.index, nil) }

// A part reads the index and only the data of what is chosen. Data that lies close together
// is read as one range.
type part struct {
	ctx    context.Context
	d      restore.Dump
	chosen *selection
	index  io.Closer
	ahead  []files.Entry // chosen entries whose data is in the range that is open
	held   *files.Entry  // chosen, but behind the range
	rng    io.ReadCloser
	pos    int64
	data   *files.Data
}

// Reading a gap of this size costs less than asking again.
const (
	maxGap   = 64 << 10
	maxAhead = 256
)

func openPart(ctx context.Context, d restore.Dump, only []files.Pattern) (*part, error) {
	index, err := d.Open(ctx, files.IndexStream)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", files.IndexStream, err)
	}
	return &part{ctx: ctx, d: d, index: index, chosen: newSelection(files.NewIndexReader(index), only)}, nil
}

func (p *part) next() (files.Entry, io.Reader, error) {
	if p.data != nil {
		if _, err := io.Copy(io.Discard, p.data); err != nil {
			return files.Entry{}, nil, err
		}
		p.data = nil
	}
	if len(p.ahead) == 0 {
		if err := p.look(); err != nil {
			return files.Entry{}, nil, err
		}
	}
	e := p.ahead[0]
	p.ahead = p.ahead[1:]
	if e.Kind != files.File {
		return e, nil, nil
	}
	if err := p.seek(&e); err != nil {
		return files.Entry{}, nil, fmt.Errorf("reading the data of %q: %w", e.Path, err)
	}
	p.data = files.NewData(&counting{p.rng, p}, &e)
	return e, p.data, nil
}

// look chooses the next entries and opens the range that holds their data.
func (p *part) look() error {
	var start, end int64
	for len(p.ahead) < maxAhead {
		e, err := p.choose()
		if err == io.EOF && len(p.ahead) > 0 {
			break
		}
		if err != nil {
			return err
		}
		if e.Kind == files.File && e.Size > 0 {
			if end > 0 && (e.Offset < end || e.Offset > end+maxGap) {
				p.held = &e
				break
			}
			if end == 0 {
				start = e.Offset
			}
			end = e.Offset + e.Size
		}
		p.ahead = append(p.ahead, e)
	}
	return p.openRange(start, end)
}

func (p *part) choose() (files.Entry, error) {
	if e := p.held; e != nil {
		p.held = nil
		return *e, nil
	}
	return p.chosen.next()
}

func (p *part) openRange(start, end int64) error {
	if err := p.closeRange(); err != nil {
		return err
	}
	if end == 0 {
		return nil
	}
	rng, err := p.d.OpenRange(p.ctx, files.TreeStream, start, end-start)
	if err != nil {
		return fmt.Errorf("opening a range of %s: %w", files.TreeStream, err)
	}
	p.rng, p.pos = rng, start
	return nil
}

// seek skips to the data of e.
func (p *part) seek(e *files.Entry) error {
	if e.Size == 0 {
		return nil
	}
	_, err := io.CopyN(io.Discard, &counting{p.rng, p}, e.Offset-p.pos)
	return err
}

// loaded counts what the patterns chose: neither the directories that only lead there, nor
// the index, of which nothing is in the target.
func (p *part) loaded() []restore.LoadedStream {
	return []restore.LoadedStream{{Name: files.TreeStream, Rows: p.chosen.entries, Bytes: p.chosen.bytes}}
}

func (p *part) close() error { return errors.Join(p.closeRange(), p.index.Close()) }

func (p *part) closeRange() error {
	if p.rng == nil {
		return nil
	}
	err := p.rng.Close()
	p.rng = nil
	return err
}

// counting keeps a part's position.
type counting struct {
	r io.Reader
	p *part
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.pos += int64(n)
	return n, err
}
