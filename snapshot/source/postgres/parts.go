package postgres

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/lib/pq"
)

const (
	minPart = 1 << 20
	maxPart = 64 << 20
	// Each part costs a statement and a stream: a table has about this many at most, a dump a few times
	// as many.
	partsOfTable = 512
	partsOfDump  = 2048
)

// A part is one stream of rows to be.
type part struct {
	table *relation
	order order
	span
	bytes int64 // about
	same  bool  // as in the earlier dump
	rows  int64 // that were read

	counted bool  // in the heap, with these rows:
	inHeap  int64 //
}

func (p *part) name() string { return PartName(p.table.Schema, p.table.Name, p.label) }

// describe is what is stored with the part, but for its digest.
func (p *part) describe() Part {
	columns := make([]string, len(p.table.columns))
	for i, c := range p.table.columns {
		columns[i] = c.Name
	}
	return Part{
		Schema: p.table.Schema, Table: p.table.Name, Columns: columns,
		Order: p.order.key(), From: p.from, To: p.to,
		Relation: Relation{OID: p.table.oid, File: p.table.file, Definition: p.table.definition},
	}
}

// where limits a query to the rows of p; it is empty for all of them.
func (p *part) where() string {
	var both []string
	if p.from != "" {
		both = append(both, p.order.expression()+" >= "+p.order.value(p.from))
	}
	if p.to != "" {
		both = append(both, p.order.expression()+" < "+p.order.value(p.to))
	}
	if len(both) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(both, " AND ")
}

// copySQL reads the rows of p. A table without columns has rows all the same.
func (p *part) copySQL() string {
	columns := make([]string, len(p.table.columns))
	for i, c := range p.table.columns {
		columns[i] = pq.QuoteIdentifier(c.Name)
	}
	sorted := ""
	if p.order.column != "" {
		sorted = " ORDER BY " + p.order.expression()
	}
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s%s%s) TO STDOUT", strings.Join(columns, ", "), p.table.quoted(), p.where(), sorted)
}

// A planner cuts tables into parts.
type planner struct {
	q        querier
	version  int
	partSize int64 // 0: by the size of tables
	earlier  map[uint32][]Part
}

// plan cuts every table with rows of its own, the largest first.
func (pl planner) plan(ctx context.Context, tables []*relation) ([]*part, error) {
	candidates, err := readCandidates(ctx, pl.q, tables)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, t := range tables {
		total += t.bytes
	}
	var parts []*part
	for _, t := range bySize(tables) {
		cut, err := pl.cut(ctx, t, candidates[t.oid], total)
		if err != nil {
			return nil, err
		}
		parts = append(parts, cut...)
	}
	return parts, nil
}

func bySize(tables []*relation) []*relation {
	sorted := slices.Clone(tables)
	slices.SortStableFunc(sorted, func(a, b *relation) int {
		switch {
		case a.bytes > b.bytes:
			return -1
		case a.bytes < b.bytes:
			return 1
		}
		return 0
	})
	return sorted
}

func (pl planner) cut(ctx context.Context, t *relation, candidates []candidate, total int64) ([]*part, error) {
	earlier := pl.earlier[t.oid]
	o := orderOf(t, candidates, earlier)
	whole := []*part{{table: t, order: o, span: span{label: label(0)}, bytes: t.bytes}}
	n := t.bytes / pl.sizeOf(t, total)
	if n < 2 {
		return whole, nil
	}
	var values extent
	switch {
	case o.column != "":
		var ok bool
		var err error
		if values, ok, err = ends(ctx, pl.q, t, o); err != nil {
			return nil, err
		}
		if !ok {
			return whole, nil
		}
		values.narrow(o, candidates)
	case pl.version < 140000 || !t.heap || t.pages < 2:
		return whole, nil // no scan of a range of pages
	default:
		values = extent{0, t.pages - 1, 0, t.pages - 1}
	}
	g := values.grid(o.scale, n, earlier)
	spans := g.spans()
	parts := make([]*part, len(spans))
	for i, s := range spans {
		parts[i] = &part{table: t, order: o, span: s, bytes: t.bytes / int64(len(spans))}
	}
	return parts, nil
}

// An extent is where the values of a key are: all of them, and all but a few.
type extent struct{ low, high, usualLow, usualHigh int64 }

// narrow takes from the statistics where nearly all values are.
func (e *extent) narrow(o order, candidates []candidate) {
	e.usualLow, e.usualHigh = e.low, e.high
	for _, c := range candidates {
		if c.Name != o.column || len(c.bounds) < 10 {
			continue
		}
		low, err1 := o.scale.read(c.bounds[1])
		high, err2 := o.scale.read(c.bounds[len(c.bounds)-2])
		if err1 == nil && err2 == nil && e.low <= low && low < high && high <= e.high {
			e.usualLow, e.usualHigh = low, high
		}
	}
}

// grid cuts the extent into about n cells, or into those of the earlier dump if they serve.
func (e extent) grid(s scale, n int64, earlier []Part) grid {
	if shift, ok := s.shiftOf(earlier); ok {
		old := layGrid(s, e.low, e.high, shift).clip(e.usualLow, e.usualHigh, n)
		if old.serves(n) {
			return old
		}
	}
	return layGrid(s, e.low, e.high, shiftFor(e.usualLow, e.usualHigh, n)).clip(e.usualLow, e.usualHigh, n)
}

// sizeOf is about how large the parts of t should be: a power of two, so that it seldom changes.
func (pl planner) sizeOf(t *relation, total int64) int64 {
	if pl.partSize > 0 {
		return pl.partSize
	}
	want := max(t.bytes/partsOfTable, total/partsOfDump)
	size := int64(1) << bits.Len64(uint64(max(want-1, 0)))
	return max(min(size, maxPart), minPart)
}
