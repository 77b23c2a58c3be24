package pack

import (
	"fmt"
	"math/bits"
)

// MaxChunk is the most plaintext one chunk may hold, whatever the Chunking.
const MaxChunk = 4 << 20

// Chunking says how long chunks are. It is part of a repository: changing it cuts everything
// anew once, and nothing else.
type Chunking struct {
	Min int `json:"min"` // but for the last chunk of a stream, none is this short
	Avg int `json:"avg"` // where cutting turns from hard to easy; a power of two
	Max int `json:"max"` // none is longer
}

// DefaultChunking is right for vaults of up to 4 GiB.
var DefaultChunking = Chunking{Min: 16 << 10, Avg: 64 << 10, Max: 256 << 10}

// ChunkingFor returns the chunking for a vault of about size bytes: 64 KiB up to 4 GiB, then
// four times as long for every further factor of 16, at most 1 MiB.
//
// Small chunks are what makes appends and small updates cheap: with 0.02 % of rows updated at
// random, 64 KiB chunks store 3 % again, 256 KiB 12 % and 1 MiB 40 %. What they cost is the
// list of chunks, about 130 bytes each here and as many in the contents of every snapshot.
// Growing with the root of the size shares the pain: 4 GiB is 65 thousand chunks, 64 GiB
// 260 thousand, 1 TiB a million. Beyond 1 MiB a chunk no longer is small beside a pack.
func ChunkingFor(size int64) Chunking {
	c := DefaultChunking
	for limit := int64(4 << 30); size > limit && c.Avg < 1<<20; limit *= 16 {
		c = Chunking{Min: 4 * c.Min, Avg: 4 * c.Avg, Max: 4 * c.Max}
	}
	return c
}

// Check returns an error unless c can be used. Its bounds keep a hostile repository from
// asking for millions of tiny chunks or for buffers that do not fit in memory.
func (c Chunking) Check() error {
	switch {
	case c.Min < 1<<10:
		return fmt.Errorf("chunks of at least %d bytes: less than 1 KiB", c.Min)
	case c.Avg < 4<<10 || c.Avg&(c.Avg-1) != 0:
		return fmt.Errorf("chunks of about %d bytes: not a power of two from 4 KiB", c.Avg)
	case c.Max > MaxChunk:
		return fmt.Errorf("chunks of up to %d bytes: more than %d", c.Max, MaxChunk)
	case c.Min >= c.Avg || c.Avg >= c.Max:
		return fmt.Errorf("chunks of %d, %d and %d bytes: not rising", c.Min, c.Avg, c.Max)
	}
	return nil
}

// A cutter finds the ends of chunks: FastCDC (Xia et al., USENIX ATC 2016 and IEEE TPDS
// 2020) with a keyed gear table. The rule is frozen by golden vectors, because a changed
// rule finds none of the chunks that are stored.
//
// The hash starts at zero after the first Min bytes of a chunk; each further byte b makes it
// 2*hash + gear[b] modulo 2^64. The chunk ends after the first byte that leaves the hash
// below 2^64/(4*Avg) while the chunk is at most Avg bytes, or below 2^64/(Avg/4) after that,
// or after Max bytes. Comparing tests the top bits, which depend on the most bytes (48 or
// more), so the masks that the paper spreads over the word are not needed.
//
// The factors of 4 are the paper's normalization level 2. Measured on 4 GB of random bytes
// with DefaultChunking: chunks of 73 KiB on average, one in six below 64 KiB, the longest of
// 54,000 222 KiB, so that Max, which does not follow content, practically never cuts. An edit
// of less than a fiftieth of a chunk, such as an updated row, stores 1.17 to 1.32 average
// chunks again (level 1: 1.31 to 1.37, level 0: 1.56 to 1.64); one of half a chunk 3.1 (2.0,
// 2.1). Small edits are the common ones.
type cutter struct {
	gear       *gear
	c          Chunking
	hard, easy uint64
}

func newCutter(key Key, c Chunking) (*cutter, error) {
	g, err := newGear(key)
	if err != nil {
		return nil, err
	}
	n := bits.TrailingZeros(uint(c.Avg))
	return &cutter{gear: g, c: c, hard: 1 << (64 - n - 2), easy: 1 << (64 - n + 2)}, nil
}

// cut returns the length of the first chunk of p. It is sure of it only if more bytes could
// not make it longer; unsure, n is all of p.
func (c *cutter) cut(p []byte) (n int, sure bool) {
	if len(p) <= c.c.Min {
		return len(p), false
	}
	full := len(p) >= c.c.Max
	p = p[:min(len(p), c.c.Max)]
	normal := min(len(p), c.c.Avg)
	n, hash := c.gear.scan(p[c.c.Min:normal], 0, c.hard)
	if n > 0 {
		return c.c.Min + n, true
	}
	n, _ = c.gear.scan(p[normal:], hash, c.easy)
	if n > 0 {
		return normal + n, true
	}
	return len(p), full
}
