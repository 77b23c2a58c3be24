package sqlite

import (
	"encoding/binary"
	"slices"
)

// A kind is what a page may be, judged by its bytes alone. Only a walk from the roots tells
// what it is: a page of the free list may still look like the b-tree page it was.
type kind uint8

const (
	plain         kind = 0 // overflow or anything else
	indexInterior kind = 2
	tableInterior kind = 5
	indexLeaf     kind = 10
	tableLeaf     kind = 13
	trunkPage     kind = 1    // could be a trunk of the free list
	brokenTree    kind = 0xff // says it is a b-tree page and is not a sound one
)

func (k kind) tree() bool {
	return k == indexInterior || k == tableInterior || k == indexLeaf || k == tableLeaf
}
func (k kind) interior() bool { return k == indexInterior || k == tableInterior }
func (k kind) table() bool    { return k == tableInterior || k == tableLeaf }

// A fault is what is wrong with a b-tree page.
type fault uint16

const (
	sound fault = iota
	faultKind
	faultHeader
	faultPointer
	faultCell
	faultChild
	faultOverflow
	faultOrder
	faultFreeBlock
	faultSpace
	faultOverlap
	faultLinks
)

var faults = [...]string{
	faultKind:      "its first byte is no b-tree page type",
	faultHeader:    "its header points outside of the page",
	faultPointer:   "a cell pointer points outside of the cell area",
	faultCell:      "a cell runs past the end of the page",
	faultChild:     "a child page number is out of range",
	faultOverflow:  "an overflow page number or payload length is out of range",
	faultOrder:     "its rowids do not ascend",
	faultFreeBlock: "its chain of free blocks is broken",
	faultSpace:     "its cells, free blocks and fragments do not add up to the page",
	faultOverlap:   "two of its cells or free blocks share bytes",
	faultLinks:     "it links to more pages than a sound database has",
}

// A geometry is what the parsing of every page needs to know of the database.
type geometry struct {
	pageSize, usable int
	pages            uint32
}

// maxLocal is the largest payload that is kept whole on a page; table leaves have another.
func (g *geometry) maxLocal(k kind) uint64 {
	if k == tableLeaf {
		return uint64(g.usable - 35)
	}
	return uint64((g.usable-12)*64/255 - 23)
}

// split tells how a payload is stored: local bytes on the page, the rest on overflow pages.
func (g *geometry) split(k kind, payload uint64) (local, overflow uint64) {
	most := g.maxLocal(k)
	if payload <= most {
		return payload, 0
	}
	least := uint64((g.usable-12)*32/255 - 23)
	rest := uint64(g.usable - 4)
	local = least + (payload-least)%rest
	if local > most {
		local = least
	}
	return local, (payload - local + rest - 1) / rest
}

// inRange reports whether n can be a page that something links to; page 1 is nobody's child.
func (g *geometry) inRange(n uint32) bool { return n >= 2 && n <= g.pages }

// A parsed page is the little that a walk needs of it.
type parsed struct {
	kind  kind
	cells uint16 // cells of a b-tree page, leaves of a trunk, or the fault
	next  uint32 // first word: the next page, if this is an overflow or a trunk page
}

// parse reads page p, whose b-tree header begins at offset at (100 on page 1), and appends
// its links to links: the children of an interior page, then head and length of every
// overflow chain; or the leaves of a trunk.
func (g *geometry) parse(p []byte, at int, links []uint32) (parsed, []uint32) {
	first := parsed{next: binary.BigEndian.Uint32(p)}
	k := kind(p[at])
	if k.tree() {
		n, out, bad := g.tree(p[:g.usable], at, k, links)
		if bad == sound {
			first.kind, first.cells = k, n
			return first, out
		}
		first.kind, first.cells = brokenTree, uint16(bad)
		// Only a free list or overflow chain that goes on beyond page 2^25 can begin so.
		if !g.inRange(first.next) {
			return first, links
		}
	}
	n := binary.BigEndian.Uint32(p[4:])
	if first.next > g.pages || int64(n) > int64(g.usable/4-2) {
		return first, links
	}
	out := links
	for i := range int(n) {
		leaf := binary.BigEndian.Uint32(p[8+4*i:])
		if !g.inRange(leaf) {
			return first, links
		}
		out = append(out, leaf)
	}
	first.kind, first.cells = trunkPage, uint16(n)
	return first, out
}

// tree reads a b-tree page.
func (g *geometry) tree(p []byte, at int, k kind, links []uint32) (uint16, []uint32, fault) {
	head := 8
	if k.interior() {
		head = 12
	}
	cells := int(binary.BigEndian.Uint16(p[at+3:]))
	content := int(binary.BigEndian.Uint16(p[at+5:]))
	if content == 0 {
		content = 65536
	}
	array := at + head
	if array+2*cells > content || content > len(p) {
		return 0, links, faultHeader
	}
	out := links
	if k.interior() { // children first: see walk
		var bad fault
		if out, bad = g.children(p, at, array, cells, content, out); bad != sound {
			return 0, links, bad
		}
	}
	used := 0
	var room [128]span // of most pages, without an allocation
	spans := room[:0]
	var last int64
	for i := range cells {
		where := int(binary.BigEndian.Uint16(p[array+2*i:]))
		if where < content || where > len(p)-4 {
			return 0, links, faultPointer
		}
		c, bad := g.cell(p[where:], k)
		if bad != sound {
			return 0, links, bad
		}
		if k.table() && i > 0 && c.rowid <= last {
			return 0, links, faultOrder
		}
		last = c.rowid
		used += c.size
		spans = append(spans, newSpan(where, c.size))
		if c.chain > 0 {
			out = append(out, c.head, c.chain)
		}
	}
	free, spans, bad := freeBlocks(p, int(binary.BigEndian.Uint16(p[at+1:])), content, spans)
	if bad != sound {
		return 0, links, bad
	}
	if overlap(spans) {
		return 0, links, faultOverlap
	}
	if used+free+int(p[at+7]) != len(p)-content {
		return 0, links, faultSpace
	}
	return uint16(cells), out, sound
}

// children appends the left child of every cell and the right-most child.
func (g *geometry) children(p []byte, at, array, cells, content int, links []uint32) ([]uint32, fault) {
	for i := range cells {
		where := int(binary.BigEndian.Uint16(p[array+2*i:]))
		if where < content || where > len(p)-4 {
			return nil, faultPointer
		}
		links = append(links, binary.BigEndian.Uint32(p[where:]))
		if !g.inRange(links[len(links)-1]) {
			return nil, faultChild
		}
	}
	right := binary.BigEndian.Uint32(p[at+8:])
	if !g.inRange(right) {
		return nil, faultChild
	}
	return append(links, right), sound
}

// A cell is one entry of a b-tree page.
type cell struct {
	size  int    // bytes on the page
	rowid int64  // of a table's cell
	head  uint32 // first overflow page
	chain uint32 // overflow pages
}

// cell reads the cell at the start of b, which ends where the page does.
func (g *geometry) cell(b []byte, k kind) (cell, fault) {
	var c cell
	if k.interior() {
		c.size = 4
	}
	if k == tableInterior {
		id, n := varint(b[c.size:])
		c.rowid = int64(id)
		c.size += n
		if n == 0 {
			return c, faultCell
		}
		return c, sound
	}
	payload, n := varint(b[c.size:])
	if n == 0 {
		return c, faultCell
	}
	c.size += n
	if k == tableLeaf {
		id, n := varint(b[c.size:])
		if n == 0 {
			return c, faultCell
		}
		c.rowid = int64(id)
		c.size += n
	}
	if payload > 1<<31 {
		return c, faultOverflow
	}
	local, chain := g.split(k, payload)
	c.size += int(local)
	if chain > 0 {
		if c.size+4 > len(b) {
			return c, faultCell
		}
		c.head, c.chain = binary.BigEndian.Uint32(b[c.size:]), uint32(chain)
		c.size += 4
		if !g.inRange(c.head) || chain > uint64(g.pages) {
			return c, faultOverflow
		}
	}
	c.size = max(c.size, 4) // what SQLite gives the smallest cell
	if c.size > len(b) {
		return c, faultCell
	}
	return c, sound
}

// freeBlocks adds up the free blocks that begin at offset at; they ascend and do not touch.
func freeBlocks(p []byte, at, content int, spans []span) (int, []span, fault) {
	total := 0
	for at != 0 {
		if at < content || at > len(p)-4 {
			return 0, nil, faultFreeBlock
		}
		next, size := int(binary.BigEndian.Uint16(p[at:])), int(binary.BigEndian.Uint16(p[at+2:]))
		if size < 4 || at+size > len(p) || (next != 0 && next <= at+size+3) {
			return 0, nil, faultFreeBlock
		}
		spans = append(spans, newSpan(at, size))
		total += size
		at = next
	}
	return total, spans, sound
}

// A span is a run of a page's bytes: where it begins, and in the low half how long it is.
type span uint64

func newSpan(at, size int) span { return span(at)<<32 | span(size) }

// overlap reports whether any byte belongs to two spans. It sorts them.
func overlap(spans []span) bool {
	slices.Sort(spans)
	end := span(0)
	for _, s := range spans {
		if s>>32 < end {
			return true
		}
		end = s>>32 + s&(1<<32-1)
	}
	return false
}

// varint reads SQLite's big-endian variable-length integer; n is 0 if b ends inside it.
func varint(b []byte) (v uint64, n int) {
	for i, c := range b {
		if i == 8 {
			return v<<8 | uint64(c), 9
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
