package postgres

import (
	"context"
	"fmt"
	"io"

	"holdfast/snapshot"
	"holdfast/snapshot/source/postgres/link"
)

// read copies the rows of a part into a stream of its own.
func (p *part) read(ctx context.Context, c *link.Conn, d snapshot.Dump) error {
	w, err := d.Stream(ctx, snapshot.Stream{Name: p.name(), Format: FormatCopy, Size: p.bytes})
	if err != nil {
		return err
	}
	var tally Tally
	n, err := c.CopyOut(ctx, &counted{to: w, tally: &tally}, p.copySQL())
	if err != nil {
		return fmt.Errorf("reading the rows of %s: %w", p.table.name, blocked(err))
	}
	facts := p.describe()
	if facts.Digest, err = tally.Digest(); err != nil {
		return fmt.Errorf("reading the rows of %s: %w", p.table.name, err)
	}
	if n != tally.Rows {
		return fmt.Errorf("reading the rows of %s: %d came of the %d that the server says it sent", p.table.name, tally.Rows, n)
	}
	p.rows = tally.Rows
	return w.Seal(tally.Rows, facts)
}

// A counted writer tallies what it hands on.
type counted struct {
	to    io.Writer
	tally *Tally
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	if err != nil {
		return n, err
	}
	return c.tally.Write(p)
}
