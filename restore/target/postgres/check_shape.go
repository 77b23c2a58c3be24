package postgres

import (
	"bytes"
	"errors"
	"fmt"
)

// A shape is a writer that finds out whether rows of text COPY are as the server writes them: the
// right number of columns, escapes that mean something, nothing that would end the rows early. It
// remembers the first fault and takes the rest all the same.
type shape struct {
	columns int
	err     error

	row     int64 // rows before this one
	columnN int   // of the row, as far as it was read
	some    bool  // the row has a byte
	inField bool  // the field has a byte
	back    bool  // the last byte was a backslash
	null    bool  // the field is \N
}

var (
	errEscape  = errors.New("a backslash stands before something that it means nothing with")
	errNull    = errors.New("a null has something beside it")
	errControl = errors.New("a control character is not escaped")
)

// Write implements io.Writer. It never fails.
func (s *shape) Write(p []byte) (int, error) {
	n := len(p)
	if bytes.IndexByte(p, '\r') >= 0 || bytes.IndexByte(p, 0) >= 0 {
		s.fail(errControl)
	}
	for len(p) > 0 && s.err == nil {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			s.take(p)
			break
		}
		s.take(p[:end])
		s.endRow()
		p = p[end+1:]
	}
	return n, nil
}

func (s *shape) fail(err error) {
	if s.err == nil {
		s.err = fmt.Errorf("row %d: %w", s.row+1, err)
	}
}

// take reads a piece of a row, from one backslash to the next.
func (s *shape) take(p []byte) {
	s.some = s.some || len(p) > 0
	for len(p) > 0 && s.err == nil {
		if s.back {
			s.escaped(p[0])
			p = p[1:]
			continue
		}
		if s.null && p[0] != '\t' {
			s.fail(errNull)
		}
		s.null = false
		end := bytes.IndexByte(p, '\\')
		if end < 0 {
			s.plain(p)
			return
		}
		s.plain(p[:end])
		s.back = true
		p = p[end+1:]
	}
}

func (s *shape) plain(p []byte) {
	if len(p) > 0 {
		s.columnN += bytes.Count(p, []byte{'\t'})
		s.inField = p[len(p)-1] != '\t'
	}
}

// escaped reads what follows a backslash.
func (s *shape) escaped(c byte) {
	s.back = false
	switch c {
	case 'N':
		if s.inField {
			s.fail(errNull)
		}
		s.null = true
	case 'b', 'f', 'n', 'r', 't', 'v', '\\':
	default:
		s.fail(errEscape)
	}
	s.inField = true
}

func (s *shape) endRow() {
	switch {
	case s.back:
		s.fail(errEscape)
	case s.columns == 0 && s.some:
		s.fail(errors.New("it has values and its table no columns"))
	case s.columns > 0 && s.columnN != s.columns-1:
		s.fail(fmt.Errorf("it has %d columns instead of %d", s.columnN+1, s.columns))
	}
	s.row++
	s.columnN, s.some, s.inField, s.back, s.null = 0, false, false, false, false
}
