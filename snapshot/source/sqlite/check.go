package sqlite

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"holdfast/snapshot"
)

// Counts are what Check counted in the bytes of a database.
type Counts struct {
	Bytes    int64
	Pages    int64
	Rows     int64 // as Facts.Rows
	Tree     int64 // pages of tables and indexes
	Overflow int64 // pages of long rows
	Free     int64 // pages of the free list
	Map      int64 // pointer-map pages, and the lock-byte page
}

// A StructureError says where the bytes of a database contradict themselves or its facts.
// It matches snapshot.ErrDamaged.
type StructureError struct {
	Page uint32 // 0 means the database as a whole
	What string
}

func (e *StructureError) Error() string {
	if e.Page == 0 {
		return "database structure: " + e.What
	}
	return fmt.Sprintf("database structure: page %d: %s", e.Page, e.What)
}

// Unwrap makes the error match snapshot.ErrDamaged.
func (e *StructureError) Unwrap() error { return snapshot.ErrDamaged }

// Check reads the bytes of a database from r once, to io.EOF, and proves their structure
// against facts, without SQLite, a disk, or trust in the bytes: the header is sound, every
// page belongs to exactly one tree, overflow chain, free list or pointer map, every cell
// lies inside its page, and every table has as many rows as facts say. What a row says is
// not looked at: that is what the stream's digest is for.
//
// It keeps 11 bytes a page and 4 to 8 bytes a link between pages, about 16 bytes a page in
// most databases, 5 more with auto_vacuum; bytes that claim more links than a sound
// database of their size can have are refused. An error of r comes back as it is, even if
// the structure was broken too: r knows what was altered.
func Check(r io.Reader, facts *Facts) (Counts, error) {
	br := bufio.NewReaderSize(r, 256<<10)
	c, err := read(br, facts)
	if err == nil {
		err = c.walk(facts)
	}
	var broken *StructureError
	if errors.As(err, &broken) {
		if _, drained := io.Copy(io.Discard, br); drained != nil {
			return Counts{}, drained
		}
	}
	if err != nil {
		return Counts{}, err
	}
	return c.counts, nil
}

// A census is what is remembered of every page. Index 0 stands for no page.
type census struct {
	geometry
	header  header
	lock    uint32 // the page that holds the lock bytes: never used, never written
	kinds   []kind
	cells   []uint16
	next    []uint32
	start   []uint32 // where the page's links begin; they end where the next page's begin
	links   []uint32
	roles   []uint8  // with auto_vacuum: what the pointer map says of the page
	parents []uint32 // and who points to it
	seen    []uint64 // bitmap
	counts  Counts
}

// maxLinks bounds links: a sound page is linked to once, and twice as many words are
// needed where the link is an overflow chain. The rest is room for pages of the free list
// that still look like the b-tree pages they were.
func (c *census) maxLinks() int64 { return min(8*int64(c.pages)+1<<16, 1<<32-1) }

// read takes in all pages.
func read(br *bufio.Reader, facts *Facts) (*census, error) {
	head, err := br.Peek(headerSize)
	if err != nil {
		return nil, short(err, 1, facts.Pages)
	}
	h, err := parseHeader(head)
	if err != nil {
		return nil, &StructureError{Page: 1, What: err.Error()}
	}
	if err := h.matches(facts); err != nil {
		return nil, &StructureError{Page: 1, What: err.Error()}
	}
	if facts.Pages < 1 || facts.Pages > 1<<32-2 {
		return nil, &StructureError{What: fmt.Sprintf("%d pages are not possible", facts.Pages)}
	}
	c := &census{
		geometry: geometry{pageSize: h.pageSize, usable: h.usable, pages: uint32(facts.Pages)},
		header:   h,
		lock:     1<<30/uint32(h.pageSize) + 1,
		kinds:    make([]kind, 1),
		cells:    make([]uint16, 1),
		next:     make([]uint32, 1),
		start:    make([]uint32, 1),
	}
	for n := uint32(1); n <= c.pages; n++ {
		page, err := br.Peek(c.pageSize)
		if err != nil {
			return nil, short(err, int64(n), facts.Pages)
		}
		if err := c.add(n, page); err != nil {
			return nil, err
		}
		if _, err := br.Discard(c.pageSize); err != nil {
			return nil, err
		}
	}
	if _, err := br.Peek(1); err == nil {
		return nil, &StructureError{What: fmt.Sprintf("bytes follow the last of %d pages", c.pages)}
	} else if err != io.EOF {
		return nil, err
	}
	c.start = append(c.start, uint32(len(c.links)))
	return c, nil
}

// short turns the end of the bytes into damage; any other error of the reader stays.
func short(err error, page, pages int64) error {
	if err == io.EOF {
		return &StructureError{What: fmt.Sprintf("the bytes end inside page %d of %d", page, pages)}
	}
	return err
}

// add takes in page n.
func (c *census) add(n uint32, page []byte) error {
	c.start = append(c.start, uint32(len(c.links)))
	var p parsed
	switch {
	case n == c.lock:
	case c.isMap(n):
		c.readMap(n, page)
	case n == 1:
		p, c.links = c.parse(page, headerSize, c.links)
	default:
		p, c.links = c.parse(page, 0, c.links)
	}
	if int64(len(c.links)) > c.maxLinks() {
		return &StructureError{Page: n, What: faults[faultLinks]}
	}
	c.kinds = append(c.kinds, p.kind)
	c.cells = append(c.cells, p.cells)
	c.next = append(c.next, p.next)
	return nil
}

// isMap reports whether page n is a pointer map. The first is page 2; one that would fall on
// the lock bytes comes one page later.
func (c *census) isMap(n uint32) bool {
	if c.header.largest == 0 || n < 2 {
		return false
	}
	return c.mapOf(n) == n
}

// mapOf is the pointer map that has the entry of page n.
func (c *census) mapOf(n uint32) uint32 {
	per := uint32(c.usable/5) + 1
	m := (n-2)/per*per + 2
	if m == c.lock {
		m++
	}
	return m
}

// readMap remembers what a pointer map says of the pages that follow it. The entries of a
// map that made way for the lock bytes reach one page into the next map's.
func (c *census) readMap(n uint32, page []byte) {
	first := int(n) + 1
	if grow := first - len(c.roles); grow > 0 {
		c.roles = append(c.roles, make([]uint8, grow)...)
		c.parents = append(c.parents, make([]uint32, grow)...)
	}
	c.roles, c.parents = c.roles[:first], c.parents[:first]
	for at := 0; at+5 <= c.usable; at += 5 {
		c.roles = append(c.roles, page[at])
		c.parents = append(c.parents, binary.BigEndian.Uint32(page[at+1:]))
	}
}
