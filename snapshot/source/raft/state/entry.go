package state

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxEntry is the longest entry that a Reader takes. Servers store no more than a megabyte in one unless
// their max_entry_size says so.
const MaxEntry = 64 << 20

// ErrMalformed matches every error that means: this is not a whole state.bin.
var ErrMalformed = errors.New("malformed state.bin")

// An Entry is one key and value of the server's storage.
type Entry struct {
	Key      string
	Value    []byte // as stored, so mostly encrypted; valid until the next call of Next
	SealWrap bool   // encrypted once more by the seal, where the seal does that
}

// A Reader reads the entries of a state.bin, one at a time. It is for one goroutine.
type Reader struct {
	r   *bufio.Reader
	buf []byte // of an entry that is longer than r's buffer
	off int64  // how many bytes were consumed
	n   int64  // how many entries came before it
	err error
}

// readAhead is larger than nearly all entries, which are then parsed where they lie.
const readAhead = 256 << 10

// NewReader returns a Reader of r, which it reads ahead.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, readAhead)}
}

// Next returns the next entry. It returns io.EOF if the stream ends where an entry ends; an end
// anywhere else matches ErrMalformed and io.ErrUnexpectedEOF. What keeps r from being read comes
// out as it is. After an error, Next returns it again.
func (r *Reader) Next() (Entry, error) {
	if r.err != nil {
		return Entry{}, r.err
	}
	e, err := r.next()
	if err != nil {
		r.err = err
		return Entry{}, err
	}
	r.n++
	return e, nil
}

func (r *Reader) next() (Entry, error) {
	size, err := r.length()
	if err != nil {
		return Entry{}, err
	}
	message, consumed, err := r.message(size)
	if err != nil {
		return Entry{}, err
	}
	e, err := parse(message)
	if err != nil {
		return Entry{}, r.malformed(err)
	}
	// e.Value may lie in r.r's buffer, where it stays until r.r is read again.
	if consumed > 0 {
		if _, err := r.r.Discard(consumed); err != nil {
			return Entry{}, fmt.Errorf("reading state.bin: %w", err)
		}
	}
	r.off += int64(size)
	return e, nil
}

// length reads how long the next entry is: a varint, seven bits a byte, the lowest first. io.EOF means
// that there is no next one.
func (r *Reader) length() (int, error) {
	start := r.off
	var size uint64
	for shift := 0; ; shift += 7 {
		b, err := r.r.ReadByte()
		if err == io.EOF && r.off == start {
			return 0, io.EOF
		}
		if err != nil {
			return 0, r.cut(err)
		}
		r.off++
		size |= uint64(b&0x7f) << shift
		if b < 0x80 {
			break
		}
		if size > MaxEntry || shift > 28 {
			return 0, r.malformed(errors.New("its length has no end"))
		}
	}
	switch {
	case size == 0:
		return 0, r.malformed(errors.New("it is empty"))
	case size > MaxEntry:
		return 0, r.malformed(fmt.Errorf("it says to be %d bytes long, over the limit of %d", size, MaxEntry))
	}
	return int(size), nil
}

// message returns the next size bytes, and how many of them are still to be discarded.
func (r *Reader) message(size int) ([]byte, int, error) {
	if size <= readAhead {
		b, err := r.r.Peek(size)
		if err != nil {
			return nil, 0, r.cut(err)
		}
		return b, size, nil
	}
	// The buffer grows with what is there, not with what a damaged length says will come.
	r.buf = r.buf[:0]
	for len(r.buf) < size {
		have, want := len(r.buf), min(size, len(r.buf)+1<<20)
		if cap(r.buf) < want {
			r.buf = append(make([]byte, 0, min(size, 2*want)), r.buf...)
		}
		r.buf = r.buf[:want]
		if _, err := io.ReadFull(r.r, r.buf[have:want]); err != nil {
			return nil, 0, r.cut(err)
		}
	}
	return r.buf, 0, nil
}

// cut is the error of a read inside of an entry.
func (r *Reader) cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.malformed(io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("reading state.bin: %w", err)
}

func (r *Reader) malformed(cause error) error {
	return fmt.Errorf("%w: entry %d, near byte %d: %w", ErrMalformed, r.n+1, r.off, cause)
}

// parse reads one message. Fields that it does not know are passed over, since a later server may
// add some.
func parse(b []byte) (Entry, error) {
	var e Entry
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return Entry{}, fmt.Errorf("reading a field's tag: %w", protowire.ParseError(n))
		}
		b = b[n:]
		switch {
		case field == 1 && kind == protowire.BytesType:
			var key []byte
			key, n = protowire.ConsumeBytes(b)
			e.Key = string(key)
		case field == 2 && kind == protowire.BytesType:
			e.Value, n = protowire.ConsumeBytes(b)
		case field == 3 && kind == protowire.VarintType:
			var wrap uint64
			wrap, n = protowire.ConsumeVarint(b)
			e.SealWrap = protowire.DecodeBool(wrap)
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return Entry{}, fmt.Errorf("reading field %d: %w", field, protowire.ParseError(n))
		}
		b = b[n:]
	}
	if e.Key == "" {
		return Entry{}, errors.New("it has no key")
	}
	return e, nil
}
