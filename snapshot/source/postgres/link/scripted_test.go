package link

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// scripted is a session whose server says what no real one does.
func scripted(messages ...[]byte) *Conn {
	r := bytes.NewReader(slices.Concat(messages...))
	return &Conn{raw: script{r}, in: newFrames(r)}
}

type script struct{ io.Reader }

func (script) Write(p []byte) (int, error) { return len(p), nil }
func (script) Close() error                { return nil }

func TestCopyThatTheServerDoesNotCallCompleteIsRefused(t *testing.T) {
	out, in, row := message('H', []byte{0, 0, 0}), message('G', []byte{0, 0, 0}), message('d', []byte("1\n"))
	done, ready := message('c', nil), message('Z', []byte("I"))
	for name, messages := range map[string][][]byte{
		"no tag":        {out, row, done, ready},
		"no end":        {out, row, message('C', []byte("COPY 1\x00")), ready},
		"a lost row":    {out, row, done, message('C', []byte("COPY 2\x00")), ready},
		"another's tag": {out, row, done, message('C', []byte("SELECT 1\x00")), ready},
	} {
		if n, err := scripted(messages...).CopyOut(t.Context(), io.Discard, "COPY t TO STDOUT"); !errors.Is(err, ErrCopy) || n != 0 {
			t.Errorf("out, %s: %d rows, %v", name, n, err)
		}
	}
	for name, messages := range map[string][][]byte{
		"no tag":        {in, ready},
		"another's tag": {in, message('C', []byte("INSERT 0 1\x00")), ready},
	} {
		if n, err := scripted(messages...).CopyIn(t.Context(), strings.NewReader("1\n"), "COPY t FROM STDIN"); !errors.Is(err, ErrCopy) || n != 0 {
			t.Errorf("in, %s: %d rows, %v", name, n, err)
		}
	}
}
