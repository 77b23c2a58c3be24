package postgres

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// A scale says how the values of a key lie on the line of integers that parts are cut from.
type scale byte

const (
	pages   scale = iota // page numbers of ctid
	numbers              // smallint, integer, bigint
	instant              // timestamps, in microseconds since 1970
	uuid7                // uuid of version 7, by their milliseconds since 1970
)

// sqlType is the type in which the values of a scale are compared.
func (s scale) sqlType(timezone bool) string {
	switch {
	case s == pages:
		return "tid"
	case s == numbers:
		return "bigint"
	case s == uuid7:
		return "uuid"
	case timezone:
		return "timestamptz"
	}
	return "timestamp"
}

const timeLayout = "2006-01-02 15:04:05.999999"

// Times outside of these years have other spellings in PostgreSQL than in Go.
var (
	earliest = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	latest   = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro()
)

// write spells a point of the line as PostgreSQL reads a value of the key.
func (s scale) write(at int64) string {
	switch s {
	case instant:
		return time.UnixMicro(at).UTC().Format(timeLayout)
	case uuid7:
		h := fmt.Sprintf("%012x", uint64(at))
		return h[:8] + "-" + h[8:12] + "-0000-0000-000000000000"
	}
	return strconv.FormatInt(at, 10)
}

// read finds the point of the line at or just below a value, as PostgreSQL writes it.
func (s scale) read(value string) (int64, error) {
	switch s {
	case instant:
		t, err := time.Parse(timeLayout, strings.TrimSuffix(value, "+00"))
		return t.UnixMicro(), err
	case uuid7:
		b, err := hex.DecodeString(strings.ReplaceAll(value, "-", ""))
		if err != nil || len(b) != 16 {
			return 0, fmt.Errorf("%q is not a uuid", value)
		}
		var at int64
		for _, c := range b[:6] {
			at = at<<8 | int64(c)
		}
		return at, nil
	}
	return strconv.ParseInt(value, 10, 64)
}

// A grid cuts the line into cells of 2^shift that lie where they lie, whatever a table holds: so
// the boundaries between parts stay when it grows. Its outer cells are open.
type grid struct {
	scale       scale
	shift       uint
	first, last int64 // numbers of cells
}

// A span is one cell. Texts that are empty are open ends.
type span struct{ from, to, label string }

// maxCells bounds the parts of one table.
const maxCells = 4096

// shiftFor is the width of cells of which n cover the values from low to high.
func shiftFor(low, high, n int64) uint {
	width := (uint64(high) - uint64(low)) / uint64(max(n, 1))
	return min(uint(bits.Len64(width)), 63)
}

func layGrid(s scale, low, high int64, shift uint) grid {
	return grid{scale: s, shift: shift, first: low >> shift, last: high >> shift}
}

func (g grid) cells() uint64 { return uint64(g.last) - uint64(g.first) + 1 }

func (g grid) spans() []span {
	var all []span
	for c := g.first; ; c++ {
		s := span{label: label(0)}
		if c > g.first {
			s.from = g.scale.write(c << g.shift)
			s.label = label(uint64(c<<g.shift) ^ 1<<63)
		}
		if c == g.last {
			return append(all, s)
		}
		s.to = g.scale.write((c + 1) << g.shift)
		all = append(all, s)
	}
}

// label sorts as numbers do.
func label(at uint64) string { return fmt.Sprintf("%016x", at) }

// clip leaves cells that are far from the middle of the values to the open ends: one value that is
// off must not make a thousand empty cells, or one that holds all others.
func (g grid) clip(low, high, n int64) grid {
	far := 4 * max(n, 1)
	if low>>g.shift > math.MinInt64+far {
		g.first = max(g.first, low>>g.shift-far)
	}
	if high>>g.shift < math.MaxInt64-far {
		g.last = min(g.last, high>>g.shift+far)
	}
	return g
}

// shiftOf finds the width of the cells that parts of an earlier dump were cut by.
func (s scale) shiftOf(earlier []Part) (uint, bool) {
	for _, p := range earlier {
		if p.From == "" || p.To == "" {
			continue
		}
		from, err1 := s.read(p.From)
		to, err2 := s.read(p.To)
		if err1 == nil && err2 == nil && to > from && bits.OnesCount64(uint64(to-from)) == 1 {
			return uint(bits.TrailingZeros64(uint64(to - from))), true
		}
	}
	return 0, false
}

// serves reports whether a table can go on with the cells of g, n being how many it should have:
// too many or too few are better than reading everything again, up to a point.
func (g grid) serves(n int64) bool {
	return g.cells() <= maxCells && g.cells() <= uint64(16*n+64) && g.cells() >= uint64(n/16)
}
