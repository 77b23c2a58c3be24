package auditlog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxLine is the longest line that is read. The server refuses requests of more than 32 MiB, and
// what it writes of one is far shorter.
const MaxLine = 16 << 20

// ErrLongLine means a line longer than MaxLine, which is no audit log.
var ErrLongLine = errors.New("a line is too long for an audit log")

// Lines reads lines in bounded memory.
type Lines struct {
	r    *bufio.Reader
	long []byte // the line in hand, if it does not fit into r
	n    int64
	max  int
}

// NewLines returns Lines that read r.
func NewLines(r io.Reader) *Lines {
	return &Lines{r: bufio.NewReaderSize(r, 256<<10), max: MaxLine}
}

// Next returns the next line with its newline, valid until the next call. The last one may have
// none: then whole is false. After it comes io.EOF.
func (l *Lines) Next() (line []byte, whole bool, err error) {
	l.long = l.long[:0]
	for {
		piece, err := l.r.ReadSlice('\n')
		if len(l.long)+len(piece) > l.max {
			return nil, false, fmt.Errorf("line %d, over %d MiB: %w", l.n+1, l.max>>20, ErrLongLine)
		}
		if err == nil && len(l.long) == 0 {
			l.n++
			return piece, true, nil
		}
		l.long = append(l.long, piece...)
		switch {
		case err == bufio.ErrBufferFull:
		case err == nil, err == io.EOF && len(l.long) > 0:
			l.n++
			return l.long, bytes.HasSuffix(l.long, []byte{'\n'}), nil
		default:
			return nil, false, err
		}
	}
}
