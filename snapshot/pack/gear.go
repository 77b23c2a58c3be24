package pack

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// A gear table gives every byte value a random word. It comes from the vault's key, so where
// chunks end, and with it how long they are, tells nothing to those without the key.
type gear [256]uint64

const gearInfo = "holdfast format 1 gear"

func newGear(key Key) (*gear, error) {
	raw, err := hkdf.Key(sha256.New, key[:], nil, gearInfo, 8*len(gear{}))
	if err != nil {
		return nil, fmt.Errorf("deriving the gear table: %w", err)
	}
	g := new(gear)
	for i := range g {
		g[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return g, nil
}

// scan rolls the hash over p and returns how many bytes it took until the hash fell below
// the limit, or 0 and the hash after all of p. Eight bytes a turn through an array pointer
// leave no bounds check inside the loop.
func (g *gear) scan(p []byte, hash, below uint64) (int, uint64) {
	q := p
	for ; len(q) >= 8; q = q[8:] {
		b := (*[8]byte)(q)
		if hash = hash<<1 + g[b[0]]; hash < below {
			return len(p) - len(q) + 1, hash
		}
		if hash = hash<<1 + g[b[1]]; hash < below {
			return len(p) - len(q) + 2, hash
		}
		if hash = hash<<1 + g[b[2]]; hash < below {
			return len(p) - len(q) + 3, hash
		}
		if hash = hash<<1 + g[b[3]]; hash < below {
			return len(p) - len(q) + 4, hash
		}
		if hash = hash<<1 + g[b[4]]; hash < below {
			return len(p) - len(q) + 5, hash
		}
		if hash = hash<<1 + g[b[5]]; hash < below {
			return len(p) - len(q) + 6, hash
		}
		if hash = hash<<1 + g[b[6]]; hash < below {
			return len(p) - len(q) + 7, hash
		}
		if hash = hash<<1 + g[b[7]]; hash < below {
			return len(p) - len(q) + 8, hash
		}
	}
	for i, b := range q {
		if hash = hash<<1 + g[b]; hash < below {
			return len(p) - len(q) + i + 1, hash
		}
	}
	return 0, hash
}
