package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"holdfast/snapshot/source/postgres/link"
)

// A tableParts is a table with all of its parts, in order.
type tableParts struct {
	table *relation
	parts []*part
}

func byTable(parts []*part) []tableParts {
	var all []tableParts
	for _, p := range parts {
		if len(all) == 0 || all[len(all)-1].table != p.table {
			all = append(all, tableParts{table: p.table})
		}
		last := &all[len(all)-1]
		last.parts = append(last.parts, p)
	}
	return all
}

// smallTable is how large a table of one part is that is read as soon as counted.
const smallTable = 1 << 20

// countedPages is how much of a table one counting statement looks at.
const countedPages = 1 << 15

// markUnchanged finds the parts whose rows are those of the earlier dump, and marks them.
func markUnchanged(ctx context.Context, w workers, version int, e *earlier, parts []*part) error {
	var samples, counts []count
	for _, t := range byTable(parts) {
		small := len(t.parts) == 1 && t.table.bytes < smallTable
		if !small && slices.ContainsFunc(t.parts, e.carries) {
			samples = append(samples, count{tableParts: t, sample: true})
		}
	}
	sampled, err := take(ctx, w, e, only(samples, count.worthSampling))
	if err != nil {
		return err
	}
	for _, s := range samples {
		if !s.hopeless(sampled) {
			counts = append(counts, ranges(s.tableParts, version)...)
		}
	}
	found, err := take(ctx, w, e, counts)
	if err != nil {
		return err
	}
	for _, c := range counts {
		for _, p := range c.parts {
			n := found[p]
			p.counted, p.inHeap = true, n.rows
			p.same = e.carries(p) && n.fresh == 0 && n.rows == e.streams[p.name()].rows
		}
	}
	return nil
}

// take counts, and adds up what belongs to the same part.
func take(ctx context.Context, w workers, e *earlier, counts []count) (map[*part]census, error) {
	found := map[*part]census{}
	var mu sync.Mutex
	err := w.each(ctx, len(counts), func(ctx context.Context, c *link.Conn, i int) error {
		some, err := counts[i].run(ctx, c, e.facts.Origin)
		if err != nil {
			return fmt.Errorf("counting the rows of %s: %w", counts[i].table.name, blocked(err))
		}
		mu.Lock()
		defer mu.Unlock()
		for p, n := range some {
			found[p] = census{found[p].rows + n.rows, found[p].fresh + n.fresh}
		}
		return nil
	})
	return found, err
}

// sampledPages is how large a table is of which a sample is worth its statement.
const sampledPages = 1 << 12

func (c count) worthSampling() bool { return c.table.pages >= sampledPages && len(c.parts) > 1 }

// hopeless reports whether a sample shows new rows nearly everywhere: counting costs a fifth of
// reading, which so few unchanged parts would not pay for.
func (c count) hopeless(sampled map[*part]census) bool {
	seen, changed := 0, 0
	for _, p := range c.parts {
		if n, ok := sampled[p]; ok {
			seen++
			if n.fresh > 0 {
				changed++
			}
		}
	}
	return seen >= 16 && changed*10 >= seen*9
}

// A count is a range of pages of a table to be counted, or a sample of them.
type count struct {
	tableParts
	from, to int64 // pages; to 0: to the end
	sample   bool
}

// A census is what counting yields: rows, and those that are not surely older than the earlier dump.
type census struct{ rows, fresh int64 }

// ranges cuts a table into pieces to count. Every row version is in one of them, whatever the parts
// are ranges of.
func ranges(t tableParts, version int) []count {
	if version < 140000 {
		return []count{{tableParts: t}}
	}
	var all []count
	for from := int64(0); from == 0 || from < t.table.pages; from += countedPages {
		all = append(all, count{tableParts: t, from: from, to: from + countedPages})
	}
	all[len(all)-1].to = 0
	return all
}

// run counts the rows of a range by the parts they belong to.
func (c count) run(ctx context.Context, conn *link.Conn, before Origin) (map[*part]census, error) {
	rows, err := conn.Query(ctx, c.sql(before))
	if err != nil {
		return nil, err
	}
	found := map[*part]census{}
	for _, r := range rows {
		var at int
		var n census
		for i, to := range []any{&at, &n.rows, &n.fresh} {
			if r[i] == nil {
				return nil, fmt.Errorf("an answer is NULL")
			}
			if _, err := fmt.Sscan(*r[i], to); err != nil {
				return nil, fmt.Errorf("reading an answer: %w", err)
			}
		}
		if at < 0 || at >= len(c.parts) {
			return nil, fmt.Errorf("rows belong to part %d of %d", at, len(c.parts))
		}
		found[c.parts[at]] = n
	}
	return found, nil
}

// sql counts rows by part. A row may be new if its xmin is not before the earlier snapshot's, as
// transaction ids are compared: those of frozen rows may look new, and then their part is read.
func (c count) sql(before Origin) string {
	var bounds []string
	for _, p := range c.parts[1:] {
		bounds = append(bounds, p.order.value(p.from))
	}
	bucket := "0"
	if len(bounds) > 0 {
		o := c.parts[0].order
		bucket = fmt.Sprintf("width_bucket(%s%s, ARRAY[%s])", o.expression(), o.cast(), strings.Join(bounds, ", "))
	}
	from := pageRange(c.from, c.to)
	if c.sample {
		from = " TABLESAMPLE SYSTEM (1)"
	}
	return fmt.Sprintf("SELECT %s, count(*), count(*) FILTER (WHERE age(xmin) <= age('%d'::xid)) FROM ONLY %s%s GROUP BY 1",
		bucket, uint32(before.Xmin), c.table.quoted(), from)
}

func pageRange(from, to int64) string {
	var both []string
	if from > 0 {
		both = append(both, fmt.Sprintf("ctid >= '(%d,0)'::tid", from))
	}
	if to > 0 {
		both = append(both, fmt.Sprintf("ctid < '(%d,0)'::tid", to))
	}
	if len(both) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(both, " AND ")
}
