package sqlite

import "fmt"

// Roles of a page in the pointer map.
const (
	roleRoot     = 1
	roleFree     = 2
	roleOverflow = 3 // first of a chain, its parent the b-tree page
	roleNext     = 4 // later of a chain, its parent the page before
	roleChild    = 5 // b-tree page, its parent the b-tree page above
)

// maxDepth is SQLite's own limit for a b-tree.
const maxDepth = 20

// walk follows every link from the roots and compares what it finds with facts.
func (c *census) walk(facts *Facts) error {
	c.seen = make([]uint64, len(c.kinds)/64+1)
	rows := make(map[string]int64, len(facts.Tables))
	largest := uint32(0)
	for _, t := range facts.Tables {
		if t.Root == 0 {
			continue
		}
		n, err := c.tree(t.Root, !t.WithoutRowid)
		if err != nil {
			return within("table", t.Name, err)
		}
		if n != t.Rows {
			return &StructureError{Page: t.Root, What: fmt.Sprintf("table %q has %d rows instead of %d", t.Name, n, t.Rows)}
		}
		rows[t.Name] = n
		largest = max(largest, t.Root)
	}
	for _, x := range facts.Indexes {
		n, err := c.tree(x.Root, false)
		if err != nil {
			return within("index", x.Name, err)
		}
		if n != rows[x.Table] && !x.Partial {
			return &StructureError{Page: x.Root, What: fmt.Sprintf("index %q has %d entries for %d rows", x.Name, n, rows[x.Table])}
		}
		largest = max(largest, x.Root)
	}
	if err := c.freeList(); err != nil {
		return err
	}
	if c.header.largest != 0 && c.header.largest != largest {
		return &StructureError{Page: 1, What: fmt.Sprintf("the header says that the largest root page is %d, it is %d", c.header.largest, largest)}
	}
	if err := c.everyPage(); err != nil {
		return err
	}
	c.counts.Pages = int64(c.pages)
	c.counts.Bytes = int64(c.pages) * int64(c.pageSize)
	c.counts.Rows = facts.Rows() // each table was compared above
	return nil
}

// within says which table or index a broken page belongs to.
func within(what, name string, err error) error {
	e := err.(*StructureError) // tree has no other
	return &StructureError{Page: e.Page, What: fmt.Sprintf("%s (in %s %q)", e.What, what, name)}
}

// A step is one page on the way down a tree and the next of its children to visit.
type step struct {
	page  uint32
	child int
}

// tree walks the b-tree at root and counts its entries: those of the leaves in a table,
// those of all pages in an index.
func (c *census) tree(root uint32, table bool) (int64, error) {
	role := uint8(roleRoot)
	if root == 1 {
		role = 0 // page 1 has no entry in the pointer map
	}
	if err := c.visit(root, role, 0); err != nil {
		return 0, err
	}
	var (
		entries   int64
		leafDepth int
		path      = make([]step, 0, maxDepth)
	)
	path = append(path, step{page: root})
	for len(path) > 0 {
		s := &path[len(path)-1]
		k := c.kinds[s.page]
		if s.child == 0 {
			if err := c.enter(s.page, table); err != nil {
				return 0, err
			}
			if !k.interior() || !table {
				entries += int64(c.cells[s.page])
			}
			if !k.interior() {
				if leafDepth == 0 {
					leafDepth = len(path)
				}
				if leafDepth != len(path) {
					return 0, &StructureError{Page: s.page, What: fmt.Sprintf("a leaf at depth %d, others are at depth %d", len(path), leafDepth)}
				}
			}
		}
		if !k.interior() || s.child > int(c.cells[s.page]) {
			path = path[:len(path)-1]
			continue
		}
		child := c.links[int(c.start[s.page])+s.child]
		s.child++
		if len(path) == maxDepth {
			return 0, &StructureError{Page: s.page, What: "the tree is too deep"}
		}
		if err := c.visit(child, roleChild, s.page); err != nil {
			return 0, err
		}
		path = append(path, step{page: child})
	}
	return entries, nil
}

// enter checks that a page is a sound one of its tree and follows its overflow chains.
func (c *census) enter(n uint32, table bool) error {
	k := c.kinds[n]
	if k == brokenTree {
		return &StructureError{Page: n, What: faults[c.cells[n]]}
	}
	if !k.tree() || k.table() != table {
		return &StructureError{Page: n, What: faults[faultKind]}
	}
	c.counts.Tree++
	from := int(c.start[n])
	if k.interior() {
		from += int(c.cells[n]) + 1
	}
	for i := from; i < int(c.start[n+1]); i += 2 {
		if err := c.chain(n, c.links[i], c.links[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// chain follows one overflow chain of a cell of page parent, which has length pages.
func (c *census) chain(parent, head, length uint32) error {
	page, role := head, uint8(roleOverflow)
	for i := range length {
		if err := c.visit(page, role, parent); err != nil {
			return err
		}
		c.counts.Overflow++
		next := c.next[page]
		if (next == 0) != (i == length-1) {
			return &StructureError{Page: page, What: fmt.Sprintf("an overflow chain of %d pages has another length", length)}
		}
		parent, page, role = page, next, roleNext
	}
	return nil
}

// freeList follows the trunks of the free list and their leaves.
func (c *census) freeList() error {
	var count int64
	parent := uint32(1)
	for trunk := c.header.trunk; trunk != 0; trunk = c.next[trunk] {
		if err := c.visit(trunk, roleFree, 0); err != nil {
			return err
		}
		if c.kinds[trunk] != trunkPage {
			return &StructureError{Page: trunk, What: fmt.Sprintf("page %d has it in the free list as a trunk, and it is none", parent)}
		}
		for _, leaf := range c.links[c.start[trunk]:c.start[trunk+1]] {
			if err := c.visit(leaf, roleFree, 0); err != nil {
				return err
			}
		}
		count += 1 + int64(c.cells[trunk])
		parent = trunk
	}
	if count != int64(c.header.free) {
		return &StructureError{Page: 1, What: fmt.Sprintf("the free list has %d pages, the header counts %d", count, c.header.free)}
	}
	c.counts.Free = count
	return nil
}

// visit marks a page as used. Each can be used once, which also rules out every cycle. With
// auto_vacuum the pointer map must say the same of it; role 0 has no entry there.
func (c *census) visit(n uint32, role uint8, parent uint32) error {
	if n < 1 || n > c.pages {
		return &StructureError{Page: parent, What: fmt.Sprintf("it links to page %d of %d", n, c.pages)}
	}
	if n == c.lock || c.isMap(n) {
		return &StructureError{Page: parent, What: fmt.Sprintf("it links to page %d, which is reserved", n)}
	}
	if c.seen[n/64]&(1<<(n%64)) != 0 {
		return &StructureError{Page: n, What: "it is used twice"}
	}
	c.seen[n/64] |= 1 << (n % 64)
	if role == 0 || c.roles == nil {
		return nil
	}
	if c.roles[n] != role || c.parents[n] != parent {
		return &StructureError{Page: n, What: fmt.Sprintf("the pointer map has role %d and parent %d for it instead of %d and %d", c.roles[n], c.parents[n], role, parent)}
	}
	return nil
}

// everyPage finds pages that nothing uses.
func (c *census) everyPage() error {
	for n := uint32(1); n <= c.pages; n++ {
		if n == c.lock || c.isMap(n) {
			c.counts.Map++
			continue
		}
		if c.seen[n/64]&(1<<(n%64)) == 0 {
			return &StructureError{Page: n, What: "nothing uses it"}
		}
	}
	return nil
}
