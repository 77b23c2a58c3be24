package postgres

import (
	"context"
	"fmt"
	"strconv"

	"holdfast/snapshot/source/postgres/link"
)

// recount compares the rows that were read by the index of a key with those that the heap has. An
// index that lost rows, by a defect of the server or of a disk, hides them from whoever reads by
// it: the dump would lack them, and so would every one after it.
func recount(ctx context.Context, w workers, version int, parts []*part) error {
	var uncounted []count
	for _, t := range byTable(parts) {
		switch {
		case t.parts[0].order.column == "" || !t.table.heap:
		case t.parts[0].counted: // and so all of them
			if err := t.hidden(); err != nil {
				return err
			}
		default:
			uncounted = append(uncounted, ranges(t, version)...)
		}
	}
	totals := make([]int64, len(uncounted))
	err := w.each(ctx, len(uncounted), func(ctx context.Context, c *link.Conn, i int) (err error) {
		if totals[i], err = uncounted[i].total(ctx, c); err != nil {
			return fmt.Errorf("counting the rows of %s: %w", uncounted[i].table.name, blocked(err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	inHeap := map[*relation]int64{}
	for i, c := range uncounted {
		inHeap[c.table] += totals[i]
	}
	for _, c := range uncounted {
		if err := c.differs(c.rows(), inHeap[c.table]); err != nil {
			return err
		}
	}
	return nil
}

// hidden compares parts one by one, since those that are carried over were not read.
func (t tableParts) hidden() error {
	for _, p := range t.parts {
		if p.same {
			continue
		}
		if err := t.differs(p.rows, p.inHeap); err != nil {
			return err
		}
	}
	return nil
}

func (t tableParts) rows() int64 {
	var n int64
	for _, p := range t.parts {
		n += p.rows
	}
	return n
}

func (t tableParts) differs(read, inHeap int64) error {
	if read == inHeap {
		return nil
	}
	return fmt.Errorf("%w: of %s it shows %d rows of %d by %s; REINDEX the table", ErrIndex,
		t.table.name, read, inHeap, display(t.parts[0].order.column))
}

// total counts the rows of a range of pages. The condition on ctid, which no index has, leads to the heap.
func (c count) total(ctx context.Context, conn *link.Conn) (int64, error) {
	sql := fmt.Sprintf("SELECT count(*) FROM ONLY %s WHERE ctid >= '(%d,0)'::tid", c.table.quoted(), c.from)
	if c.to > 0 {
		sql += fmt.Sprintf(" AND ctid < '(%d,0)'::tid", c.to)
	}
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(*rows[0][0], 10, 64)
}
