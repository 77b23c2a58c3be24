package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func message(kind byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(b, body...)
}

// A server's messages, however they are cut and whatever the size of the buffer, come out as they are.
func TestMessagesComeOutHoweverTheyAreCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bodies := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 200), 0, 40).Draw(t, "rows")
		var stream, want []byte
		for _, b := range bodies {
			stream = append(stream, message('d', b)...)
			want = append(want, b...)
		}
		tail := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "tail")
		stream = append(append(stream, message('c', nil)...), message('C', tail)...)
		f := &frames{r: cutting(t, stream), buf: make([]byte, rapid.IntRange(16, 400).Draw(t, "buffer"))}

		var got bytes.Buffer
		n, err := f.rows(&got)
		if err != nil || n != int64(len(bodies)) || !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("%d rows with %x, %v; want %d with %x", n, got.Bytes(), err, len(bodies), want)
		}
		if kind, body, err := f.next(); kind != 'c' || len(body) != 0 || err != nil {
			t.Fatalf("after the rows: %c %x %v", kind, body, err)
		}
		if kind, body, err := f.next(); kind != 'C' || !bytes.Equal(body, tail) || err != nil {
			t.Fatalf("at the end: %c %x %v", kind, body, err)
		}
		if _, _, err := f.next(); err != io.EOF {
			t.Fatalf("after the end: %v", err)
		}
	})
}

func cutting(t *rapid.T, stream []byte) io.Reader {
	r := io.Reader(bytes.NewReader(stream))
	switch rapid.IntRange(0, 3).Draw(t, "reader") {
	case 1:
		return iotest.OneByteReader(r)
	case 2:
		return iotest.HalfReader(r)
	case 3:
		return iotest.DataErrReader(r)
	}
	return r
}

func TestStreamThatEndsInTheMiddleIsAnError(t *testing.T) {
	whole := append(append(message('d', []byte("1\n")), message('d', []byte("2\n"))...), message('c', nil)...)
	for n := range whole[:len(whole)-headerSize+1] {
		if _, err := newFrames(bytes.NewReader(whole[:n])).rows(io.Discard); err != io.ErrUnexpectedEOF {
			t.Errorf("rows cut after %d bytes: %v", n, err)
		}
	}
	for n := 1; n < 7; n++ {
		if _, _, err := newFrames(bytes.NewReader(whole[:n])).next(); err != io.ErrUnexpectedEOF {
			t.Errorf("a message cut after %d bytes: %v", n, err)
		}
	}
}

func TestImpossibleLengthsAreRefused(t *testing.T) {
	for _, length := range []uint32{0, 3, 1 << 31, 1<<32 - 1} {
		header := binary.BigEndian.AppendUint32([]byte{'d'}, length)
		if _, err := newFrames(bytes.NewReader(header)).rows(io.Discard); !errors.Is(err, errFrame) {
			t.Errorf("a row of %d bytes: %v", length, err)
		}
		if _, _, err := newFrames(bytes.NewReader(header)).next(); !errors.Is(err, errFrame) {
			t.Errorf("a message of %d bytes: %v", length, err)
		}
	}
	header := binary.BigEndian.AppendUint32([]byte{'T'}, messageLimit+5)
	if _, _, err := newFrames(bytes.NewReader(header)).next(); !errors.Is(err, errFrame) {
		t.Errorf("a message over the limit: %v", err)
	}
}

func TestRowsArePassedOnInLargeWrites(t *testing.T) {
	row := message('d', bytes.Repeat([]byte("x"), 100))
	stream := append(bytes.Repeat(row, 100000), message('c', nil)...)
	var w sizes
	if _, err := newFrames(&dribble{stream}).rows(&w); err != nil {
		t.Fatal(err)
	}
	if w.total != 100*100000 || w.writes > w.total/(bufferSize/2)+1 {
		t.Errorf("%d bytes in %d writes", w.total, w.writes)
	}
}

type sizes struct{ writes, total int }

func (s *sizes) Write(p []byte) (int, error) {
	s.writes++
	s.total += len(p)
	return len(p), nil
}

// dribble yields eight kilobytes at a time, as a server sends them.
type dribble struct{ rest []byte }

func (d *dribble) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), 8192)], d.rest)
	d.rest = d.rest[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// FuzzFrames reads any bytes, in two ways that have to agree.
func FuzzFrames(f *testing.F) {
	f.Add(append(message('d', []byte("1\n")), message('Z', []byte("I"))...), uint8(20))
	f.Add([]byte{'d', 0, 0, 0, 3}, uint8(255))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		var got bytes.Buffer
		a := &frames{r: bytes.NewReader(stream), buf: make([]byte, 16+int(size))}
		n, err := a.rows(&got)

		b := &frames{r: iotest.OneByteReader(bytes.NewReader(stream)), buf: make([]byte, 64)}
		var want []byte
		var rows int64
		for {
			if err := b.need(1); err != nil || b.buf[b.start] != 'd' {
				break
			}
			_, body, err := b.next()
			if err != nil {
				break
			}
			rows++
			want = append(want, body...)
		}
		if err == nil && (n != rows || !bytes.Equal(got.Bytes(), want)) {
			t.Errorf("%d rows with %x, want %d with %x", n, got.Bytes(), rows, want)
		}
		if err != nil && !bytes.HasPrefix(want, got.Bytes()) && !bytes.HasPrefix(got.Bytes(), want) {
			t.Errorf("%x came out of %x before %v", got.Bytes(), stream, err)
		}
	})
}
