package pack

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// A Sum is the SHA-256 of a pack's stored bytes; it is the pack's name.
type Sum [sha256.Size]byte

// An ID is the first half of HMAC-SHA-256(id key, plaintext of a chunk). Every snapshot lists
// the ids of all its chunks, so their length is what a small change costs most; 128 bits
// under a secret key can be neither forged nor made to collide.
type ID [sha256.Size / 2]byte

// A Key is the secret that a vault's chunk ids and cutting points come from. It opens
// nothing that is encrypted; with it one can tell whether a known plaintext is stored.
type Key [32]byte

// A Ref places one chunk of a stream. Offset and Length are of its zstd frame inside the
// decrypted pack; Plain is the length of the chunk's plaintext.
type Ref struct {
	Pack   uint32 // position in the table that goes with it
	Offset uint32
	Length uint32
	Plain  uint32
	ID     ID
}

// A Place is where a known chunk is stored.
type Place struct {
	Pack   Sum
	Size   int64 // of the pack's stored bytes
	Offset uint32
	Length uint32
	Plain  uint32
}

// Info is one row of a pack table.
type Info struct {
	Sum  Sum
	Size int64 // stored bytes
}

// A Stored is a finished pack on its way to the store.
type Stored struct {
	Info
	Body   []byte // the age file; valid until the call it was handed to returns
	Chunks []Chunk
}

// A Chunk is one chunk in a finished pack.
type Chunk struct {
	ID     ID
	Offset uint32
	Length uint32
	Plain  uint32
}

// A Fetcher reads stored packs. The zero length means all that follows offset.
type Fetcher interface {
	Fetch(ctx context.Context, pack Sum, offset, length int64) (io.ReadCloser, error)
}

// ErrDamaged matches every Damage.
var ErrDamaged = errors.New("pack is damaged")

// Damage names a pack that is not what it was when it was stored.
type Damage struct {
	Pack  Sum
	Cause error
}

func (d *Damage) Error() string { return fmt.Sprintf("pack %x is damaged: %v", d.Pack, d.Cause) }

// Unwrap lets errors.Is find ErrDamaged and the cause.
func (d *Damage) Unwrap() []error { return []error{ErrDamaged, d.Cause} }
