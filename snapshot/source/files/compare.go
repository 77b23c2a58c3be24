package files

import (
	"errors"
	"io"
)

// Compare walks two indexes side by side and calls differ for every path that is in one only
// (the other entry is nil) or in both with another kind, mode, owner, target, attributes or data. A
// path that merely lies elsewhere in its tar is the same. It holds one entry of each.
func Compare(a, b *IndexReader, differ func(before, after *Entry)) error {
	x, y := cursor{r: a}, cursor{r: b}
	if err := errors.Join(x.next(), y.next()); err != nil {
		return err
	}
	for x.entry != nil || y.entry != nil {
		var err error
		switch {
		case y.entry == nil || x.entry != nil && first(x.entry.Path, y.entry.Path):
			differ(x.entry, nil)
			err = x.next()
		case x.entry == nil || first(y.entry.Path, x.entry.Path):
			differ(nil, y.entry)
			err = y.next()
		default:
			if !same(x.entry, y.entry) {
				differ(x.entry, y.entry)
			}
			err = errors.Join(x.next(), y.next())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// first reports whether a comes before b in an index; the root comes before everything.
func first(a, b string) bool {
	switch {
	case a == b || b == Root:
		return false
	case a == Root:
		return true
	}
	return before(a, b)
}

// same compares what a restore would bring back. Times of directories change with
// everything inside them and would drown what changed.
func same(a, b *Entry) bool {
	if a.Kind != b.Kind || a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || a.Link != b.Link ||
		a.Size != b.Size || a.SHA256 != b.SHA256 || a.Major != b.Major || a.Minor != b.Minor || len(a.XAttrs) != len(b.XAttrs) {
		return false
	}
	for k, v := range a.XAttrs {
		if w, ok := b.XAttrs[k]; !ok || string(v) != string(w) {
			return false
		}
	}
	return a.Kind == Dir || a.MTime.Equal(b.MTime)
}

// A cursor holds the entry that an index is at; nil at its end.
type cursor struct {
	r     *IndexReader
	entry *Entry
}

func (c *cursor) next() error {
	e, err := c.r.Next()
	if errors.Is(err, io.EOF) {
		c.entry = nil
		return nil
	}
	c.entry = &e
	return err
}
