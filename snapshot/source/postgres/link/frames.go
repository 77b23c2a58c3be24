package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	bufferSize = 512 << 10 // of which rows are passed on once half is full
	// messageLimit bounds every message but those of rows in a COPY, which are not held whole.
	messageLimit = 64 << 20
	headerSize   = 5
)

var errFrame = errors.New("the server sent a message of impossible length")

// frames reads a server's messages: a byte for the kind, the length of what follows as four
// bytes that count themselves, the body. All that has been received and not been asked for stays
// in one buffer, so that the rows of a COPY and everything else come out of the same place.
type frames struct {
	r          io.Reader
	buf        []byte
	start, end int    // of what has been received and not taken
	large      []byte // a body that does not fit into buf
}

func newFrames(r io.Reader) *frames { return &frames{r: r, buf: make([]byte, bufferSize)} }

// next returns one message. The body is valid until the next call. Between messages the error of
// a reader that ends is io.EOF, within one io.ErrUnexpectedEOF.
func (f *frames) next() (kind byte, body []byte, err error) {
	f.large = nil
	if err := f.need(headerSize); err != nil {
		return 0, nil, err
	}
	kind = f.buf[f.start]
	n, err := f.length()
	if err != nil {
		return 0, nil, err
	}
	if n > messageLimit {
		return 0, nil, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	f.start += headerSize
	if n > len(f.buf) {
		body, err = f.takeLarge(n)
		return kind, body, err
	}
	if err := f.need(n); err != nil {
		return 0, nil, unexpected(err)
	}
	body = f.buf[f.start : f.start+n]
	f.start += n
	return kind, body, nil
}

// rows passes on the rows of a COPY until a message of another kind comes, which stays for next.
// The bodies of messages are moved together in the buffer, over the headers between them, so
// that many small rows are one write.
func (f *frames) rows(w io.Writer) (count int64, err error) {
	left := 0 // bytes of the row in hand that are still to come
	from, to := f.start, f.start
	for {
		for f.start < f.end {
			if left > 0 {
				n := min(left, f.end-f.start)
				if to == from {
					from, to = f.start, f.start // nothing to join: it can stay where it is
				}
				if to != f.start {
					copy(f.buf[to:], f.buf[f.start:f.start+n])
				}
				to += n
				f.start += n
				left -= n
				continue
			}
			if f.buf[f.start] != 'd' {
				return count, flush(w, f.buf[from:to])
			}
			if f.end-f.start < headerSize {
				break
			}
			if left, err = f.length(); err != nil {
				return count, err
			}
			f.start += headerSize
			count++
		}
		if to-from >= len(f.buf)/2 || len(f.buf)-f.end < len(f.buf)/8 {
			if err := flush(w, f.buf[from:to]); err != nil {
				return count, err
			}
			f.compact()
			from, to = 0, 0
		}
		if err := f.fill(); err != nil {
			return count, unexpected(err)
		}
	}
}

// A writeError is one of the writer that rows go to, not of the connection.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

func flush(w io.Writer, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return &writeError{err}
	}
	return nil
}

// length is that of the body of the message whose header is at start.
func (f *frames) length() (int, error) {
	n := binary.BigEndian.Uint32(f.buf[f.start+1:])
	if n < 4 || n > 1<<31-1 {
		return 0, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	return int(n) - 4, nil
}

// need waits until n bytes, which fit into the buffer, are there.
func (f *frames) need(n int) error {
	for f.end-f.start < n {
		if len(f.buf)-f.start < n || f.start == f.end {
			f.compact()
		}
		if err := f.fill(); err != nil {
			if f.end > f.start {
				return unexpected(err)
			}
			return err
		}
	}
	return nil
}

func (f *frames) compact() {
	f.end = copy(f.buf, f.buf[f.start:f.end])
	f.start = 0
}

// fill reads at least one byte into the free end of the buffer.
func (f *frames) fill() error {
	for range 100 {
		n, err := f.r.Read(f.buf[f.end:])
		f.end += n
		if n > 0 {
			return nil // an error comes again
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// takeLarge grows with what really comes, not with what a header says.
func (f *frames) takeLarge(n int) ([]byte, error) {
	f.large = append(f.large, f.buf[f.start:f.end]...)
	f.start, f.end = 0, 0
	for len(f.large) < n {
		if err := f.fill(); err != nil {
			return nil, unexpected(err)
		}
		k := min(n-len(f.large), f.end)
		f.large = append(f.large, f.buf[:k]...)
		f.start = k
		f.compact()
	}
	return f.large, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
