package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cespare/xxhash/v2"

	"holdfast/restore"
)

// A comparison finds the rows that one side has and the other has not, by their digests: rows of
// the one side count down, those of the other count up, and what is at nothing in the end is on both.
type comparison struct {
	key []int // places of the key's columns, rising; none: rows have no name

	rows map[rowID]int32
	over bool // more rows than fit were read; the counts would be wrong
}

// A rowID stands for a row by its digest, and for the row that an update makes of it by that of its
// key.
type rowID struct{ key, row uint64 }

// maxDiffer bounds the rows that are held at once, about 50 MiB of memory.
const maxDiffer = 1 << 20

// read counts the rows of some parts.
func (c *comparison) read(ctx context.Context, d restore.Dump, parts []part, sign int32) error {
	if c.rows == nil {
		c.rows = map[rowID]int32{}
	}
	for _, p := range parts {
		if c.over {
			return nil
		}
		if err := c.part(ctx, d, p, sign); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) part(ctx context.Context, d restore.Dump, p part, sign int32) (err error) {
	r, err := d.Open(ctx, p.info.Name)
	if err != nil {
		return fmt.Errorf("reading stream %q: %w", p.info.Name, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	w := &lines{key: c.key, take: func(id rowID) { c.count(id, sign) }}
	if _, err := io.CopyBuffer(w, &counted{ctx: ctx, r: r}, make([]byte, 256<<10)); err != nil {
		return fmt.Errorf("reading stream %q: %w", p.info.Name, err)
	}
	return nil
}

func (c *comparison) count(id rowID, sign int32) {
	if c.over {
		return
	}
	if c.rows[id] += sign; c.rows[id] == 0 {
		delete(c.rows, id)
	}
	if len(c.rows) > maxDiffer {
		c.over = true
		c.rows = nil
	}
}

// describe tells what is left.
func (c *comparison) describe() string {
	if c.over {
		return "more rows changed than are counted one by one"
	}
	gone, fresh := map[uint64]int64{}, map[uint64]int64{}
	var added, removed, changed int64
	for id, n := range c.rows {
		if n > 0 {
			added += int64(n)
			fresh[id.key] += int64(n)
		} else {
			removed -= int64(n)
			gone[id.key] -= int64(n)
		}
	}
	if len(c.key) > 0 {
		for k, n := range gone {
			changed += min(n, fresh[k])
		}
	}
	var said []string
	for _, x := range []struct {
		n    int64
		what string
	}{{added - changed, "added"}, {removed - changed, "removed"}, {changed, "changed"}} {
		if x.n > 0 {
			said = append(said, grouped(x.n)+" "+x.what)
		}
	}
	text := strings.Join(said, ", ")
	if len(c.key) == 0 && added > 0 && removed > 0 {
		text += "; without a key, a change counts as both"
	}
	return text
}

// lines is a writer that digests the rows of text COPY and the columns of their keys.
type lines struct {
	key  []int
	take func(rowID)

	column int
	want   int // the place in key that comes next
	row    xxhash.Digest
	id     xxhash.Digest
	begun  bool
}

// Write implements io.Writer. It never fails.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if !l.begun {
			l.row.Reset()
			l.id.Reset()
			l.begun, l.column, l.want = true, 0, 0
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			l.piece(p)
			break
		}
		l.piece(p[:end])
		l.take(rowID{key: l.id.Sum64(), row: l.row.Sum64()})
		l.begun = false
		p = p[end+1:]
	}
	return n, nil
}

func (l *lines) piece(p []byte) {
	l.row.Write(p) // never fails
	for len(p) > 0 && l.want < len(l.key) {
		end := bytes.IndexByte(p, '\t')
		field := p
		if end >= 0 {
			field = p[:end+1] // the tab keeps (a, bc) apart from (ab, c)
		}
		if l.column == l.key[l.want] {
			l.id.Write(field)
		}
		if end < 0 {
			return
		}
		if l.column == l.key[l.want] {
			l.want++
		}
		l.column++
		p = p[end+1:]
	}
}
