package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// A Digest stands for a set of rows, whatever their order: the sum, modulo 2^64, of the XXH64 of
// each row's line of text COPY without its newline. It finds rows that a load lost, doubled or changed;
// against those who would forge it stand the SHA-256 of streams and the manifest's signature.
type Digest uint64

// Add returns the digest of the rows of both.
func (d Digest) Add(o Digest) Digest { return d + o }

func (d Digest) String() string { return fmt.Sprintf("%016x", uint64(d)) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil || len(b) != 16 {
		return fmt.Errorf("a digest of rows has 16 hex digits, not %q", b)
	}
	*d = Digest(n)
	return nil
}

// A Tally counts and digests the rows of text COPY that are written to it, however they are cut.
// The zero value is ready. It keeps the line that is not whole yet only as its running hash.
type Tally struct {
	Rows  int64
	Bytes int64
	sum   Digest

	begun bool // a line is begun, and in part hashed
	part  xxhash.Digest
}

// Write implements io.Writer. It never fails.
func (t *Tally) Write(p []byte) (int, error) {
	n := len(p)
	t.Bytes += int64(n)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			t.hold(p)
			break
		}
		if t.begun {
			t.hold(p[:end])
			t.sum += Digest(t.part.Sum64())
			t.begun = false
		} else {
			t.sum += Digest(xxhash.Sum64(p[:end]))
		}
		t.Rows++
		p = p[end+1:]
	}
	return n, nil
}

func (t *Tally) hold(p []byte) {
	if !t.begun {
		t.part.Reset()
		t.begun = true
	}
	t.part.Write(p) // never fails
}

// errTorn means that rows ended in the middle of one.
var errTorn = errors.New("the last row is not whole")

// Digest returns the digest of all rows, or an error if the last one was not whole.
func (t *Tally) Digest() (Digest, error) {
	if t.begun {
		return 0, errTorn
	}
	return t.sum, nil
}
