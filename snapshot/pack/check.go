package pack

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxPack is the most bytes a stored pack may have.
const MaxPack = 32 << 20

// CheckStored reads a stored pack to its end and compares it with its row of the table, which
// takes no key. A difference is a Damage; an error of r is not.
func CheckStored(r io.Reader, want Info) error {
	h := sha256.New()
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	n, err := io.CopyBuffer(h, io.LimitReader(r, want.Size+1), buf[:])
	if err != nil {
		return fmt.Errorf("reading pack %x: %w", want.Sum, err)
	}
	if n > want.Size {
		return &Damage{want.Sum, fmt.Errorf("longer than its %d bytes", want.Size)}
	}
	if n < want.Size {
		return &Damage{want.Sum, fmt.Errorf("%d of its %d bytes are there", n, want.Size)}
	}
	if Sum(h.Sum(nil)) != want.Sum {
		return &Damage{want.Sum, errSum}
	}
	return nil
}

// copyBuffer is what a socket hands out at once; with io.Copy's 32 KiB, waking up for the next
// piece costs half as much as hashing it.
const copyBuffer = 256 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

var errSum = errors.New("its bytes have another SHA-256")

func checkPack(size int64) error {
	if size <= 0 || size > MaxPack {
		return fmt.Errorf("pack of %d bytes: outside 1 to %d", size, int64(MaxPack))
	}
	return nil
}

// checkSpan bounds a frame by the stored size of its pack; the plaintext is always shorter.
func checkSpan(offset, length uint32, size int64) error {
	if length == 0 {
		return errors.New("frame of no bytes")
	}
	if int64(offset)+int64(length) > size {
		return fmt.Errorf("frame of %d bytes at %d: past the end of a pack of %d", length, offset, size)
	}
	return nil
}

// checkRefs bounds refs, which may be hostile, by the table they point into.
func checkRefs(packs []Info, chunks []Ref) error {
	for i, c := range chunks {
		if err := checkRef(packs, c); err != nil {
			return fmt.Errorf("checking chunk %d: %w", i, err)
		}
	}
	return nil
}

func checkRef(packs []Info, c Ref) error {
	if uint64(c.Pack) >= uint64(len(packs)) {
		return fmt.Errorf("pack %d of %d", c.Pack, len(packs))
	}
	if c.Plain == 0 || c.Plain > MaxChunk {
		return fmt.Errorf("plaintext of %d bytes: outside 1 to %d", c.Plain, MaxChunk)
	}
	return checkSpan(c.Offset, c.Length, packs[c.Pack].Size)
}
