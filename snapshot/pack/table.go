package pack

import "sync"

// A table is the pack table of one run while it grows: rows of new packs, filled in once the
// pack is stored, and of packs that hold reused chunks.
type table struct {
	mu   sync.Mutex
	rows []Info
	at   map[Sum]uint32 // of reused packs
}

// open adds the row of a new pack, whose sum nobody knows yet.
func (t *table) open() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, Info{})
	return uint32(len(t.rows) - 1)
}

func (t *table) fill(row uint32, i Info) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[row] = i
}

// reuse returns the row of the pack that p is in. It refuses a place that cannot be, or that
// contradicts an earlier one about the size of the pack: storing the chunk again is cheap,
// a snapshot that points at nothing is not.
func (t *table) reuse(p Place) (uint32, bool) {
	if checkPack(p.Size) != nil || checkSpan(p.Offset, p.Length, p.Size) != nil {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if row, ok := t.at[p.Pack]; ok {
		return row, t.rows[row].Size == p.Size
	}
	if t.at == nil {
		t.at = make(map[Sum]uint32)
	}
	row := uint32(len(t.rows))
	t.rows = append(t.rows, Info{Sum: p.Pack, Size: p.Size})
	t.at[p.Pack] = row
	return row, true
}
