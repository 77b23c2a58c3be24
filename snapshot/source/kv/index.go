package kv

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"holdfast/snapshot"
)

// A Place is where a secret is in the lines of its mount.
type Place struct {
	Path   string
	Offset int64
	Length int64 // of its line, with the line's end
}

// indexLine is a place as the index spells it. Its offset is the sum of the lengths before it,
// so that a secret that grows changes one line of the index and not all that follow.
type indexLine struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

func (l *indexLine) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(l)
	return b.Bytes(), err
}

// An IndexReader reads the index of one mount. It hands out only paths in rising order.
type IndexReader struct {
	stream string
	lines  *bufio.Scanner
	last   string
	end    int64 // of the lines so far
	count  int64
	bytes  int64
}

// NewIndexReader returns a reader of the index of mount that r reads. It holds two lines.
func NewIndexReader(mount string, r io.Reader) *IndexReader {
	x := &IndexReader{stream: IndexStream(mount), lines: bufio.NewScanner(r)}
	x.lines.Buffer(make([]byte, 4<<10), 6*maxPath+100) // a path of nothing but escapes
	x.lines.Split(x.split)
	return x
}

// Next returns the next place, and io.EOF after the last.
func (x *IndexReader) Next() (Place, error) {
	if !x.lines.Scan() {
		return Place{}, x.ended()
	}
	p, err := x.parse(x.lines.Bytes())
	if err != nil {
		return Place{}, snapshot.Damaged(x.stream, "line %d: %w", x.count+1, err)
	}
	x.count++
	x.last, x.end = p.Path, p.Offset+p.Length
	return p, nil
}

// Bytes is how much of the index was read, Count how many places it had, End where the lines of those end.
func (x *IndexReader) Bytes() int64 { return x.bytes }
func (x *IndexReader) Count() int64 { return x.count }
func (x *IndexReader) End() int64   { return x.end }

func (x *IndexReader) parse(b []byte) (Place, error) {
	var l indexLine
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return Place{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch {
	case dec.InputOffset() != int64(len(b)):
		return Place{}, fmt.Errorf("%w: more than one value", ErrMalformed)
	case l.Path <= x.last:
		return Place{}, fmt.Errorf("%w: a path out of order", ErrMalformed)
	case l.Bytes < int64(len("{}\n")) || l.Bytes > MaxLine || len(l.Path) > maxPath:
		return Place{}, fmt.Errorf("%w: a line of %d bytes, a path of %d", ErrMalformed, l.Bytes, len(l.Path))
	}
	return Place{l.Path, x.end, l.Bytes}, nil
}

var errUnended = errors.New("line without an end")

func (x *IndexReader) ended() error {
	err := x.lines.Err()
	if errors.Is(err, errUnended) || errors.Is(err, bufio.ErrTooLong) {
		return snapshot.Damaged(x.stream, "line %d: %w: %w", x.count+1, ErrMalformed, err)
	}
	if err != nil {
		return err // of the stream, which names itself
	}
	return io.EOF
}

// split is bufio.ScanLines, but a line must end.
func (x *IndexReader) split(data []byte, atEOF bool) (int, []byte, error) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		if atEOF && len(data) > 0 {
			return 0, nil, errUnended
		}
		return 0, nil, nil
	}
	x.bytes += int64(i + 1)
	return i + 1, data[:i], nil
}
