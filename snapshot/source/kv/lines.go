package kv

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"holdfast/snapshot"
)

// Lines reads all secrets of a mount, index and lines side by side.
type Lines struct {
	facts Facts
	index *IndexReader
	lines io.Reader
	line  []byte
}

// NewLines returns a reader of the mount that f describes. It holds one secret at a time.
func NewLines(f Facts, index, lines io.Reader) *Lines {
	return &Lines{facts: f, index: NewIndexReader(f.Mount, index), lines: lines}
}

// Next returns the next secret and its line, and io.EOF after the last, once both streams have
// ended. Both are valid until the next call.
func (l *Lines) Next() (*Secret, []byte, error) {
	p, err := l.index.Next()
	if err == io.EOF {
		return nil, nil, l.ended()
	}
	if err != nil {
		return nil, nil, err
	}
	l.line, err = ReadLine(l.lines, p, l.line)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", LinesStream(l.facts.Mount), err)
	}
	s, err := ParsePlace(l.facts, p, l.line)
	return s, l.line, err
}

// Index is the index that goes with the lines.
func (l *Lines) Index() *IndexReader { return l.index }

// ended makes sure that nothing follows the last line that the index has.
func (l *Lines) ended() error {
	n, err := io.Copy(io.Discard, l.lines)
	if err != nil {
		return fmt.Errorf("reading %s: %w", LinesStream(l.facts.Mount), err)
	}
	if n > 0 {
		return snapshot.Damaged(LinesStream(l.facts.Mount), "%w: %d bytes that are not in the index", ErrMalformed, n)
	}
	return io.EOF
}

// ReadLine reads the line at p, where r is, into buf if it is long enough.
func ReadLine(r io.Reader, p Place, buf []byte) ([]byte, error) {
	var b = bytes.NewBuffer(buf[:0])
	n, err := io.CopyN(b, r, p.Length) // grows with what comes, not with what the index says
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %d bytes of a line of %d: %w", ErrMalformed, n, p.Length, io.ErrUnexpectedEOF)
	}
	return b.Bytes(), err
}

// ParsePlace reads a line and holds it against its place in the index.
func ParsePlace(f Facts, p Place, line []byte) (*Secret, error) {
	if i := bytes.IndexByte(line, '\n'); i != len(line)-1 {
		return nil, snapshot.Damaged(LinesStream(f.Mount), "%w: the line at %d does not end where the index says", ErrMalformed, p.Offset)
	}
	s, err := ParseSecret(line, f.Version)
	if err != nil {
		return nil, snapshot.Damaged(LinesStream(f.Mount), "the line at %d: %w", p.Offset, err)
	}
	if s.Path != p.Path {
		return nil, snapshot.Damaged(LinesStream(f.Mount), "%w: the line at %d is of another secret than the index says", ErrMalformed, p.Offset)
	}
	return s, nil
}
