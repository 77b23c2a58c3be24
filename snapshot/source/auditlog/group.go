package auditlog

import (
	"cmp"
	"maps"
	"slices"
	"unicode/utf8"
)

// A Tally is what was counted under one key.
type Tally struct {
	Requests int64 `json:"requests,omitempty"`
	Failures int64 `json:"failures,omitempty"` // responses that carry an error
	Last     int64 `json:"last,omitempty"`     // the newest of them, in seconds since 1970
}

// A Row is one key of a Group.
type Row struct {
	Key string `json:"key"`
	Tally
}

// A Group counts by one property, such as the operation: its busiest keys, and all others in one
// sum. Nothing is lost but names: Rows and Rest add up to everything that was counted.
// A key in Rows may have more in Rest, if it was folded away before it came up again; while Rest is
// zero every row is exact.
type Group struct {
	Rows []Row `json:"rows,omitempty"` // busiest first
	Rest Tally `json:"rest,omitzero"`
}

const (
	held     = 4096 // keys of a group in memory while counting
	kept     = 1000 // rows of a group that was merged
	longest  = 200  // bytes of a key
	ellipsis = "…"
)

// Total adds up the group.
func (g Group) Total() Tally {
	sum := g.Rest
	for _, r := range g.Rows {
		sum.add(r.Tally)
	}
	return sum
}

func (t *Tally) add(o Tally) {
	t.Requests += o.Requests
	t.Failures += o.Failures
	t.Last = max(t.Last, o.Last)
}

// merge adds o to g and keeps the limit busiest rows.
func (g *Group) merge(o Group, limit int) {
	m := newTable()
	m.rest = g.Rest
	m.rest.add(o.Rest)
	for _, rows := range [][]Row{g.Rows, o.Rows} {
		for _, r := range rows {
			m.at(r.Key).add(r.Tally)
		}
	}
	*g = m.group(limit)
}

// fold keeps the limit busiest rows.
func (g *Group) fold(limit int) {
	for len(g.Rows) > limit {
		g.Rest.add(g.Rows[len(g.Rows)-1].Tally)
		g.Rows = g.Rows[:len(g.Rows)-1]
	}
}

// A table is a Group being counted, in bounded memory: when it is full the half with the fewest
// is folded away. What it comes to depends on the order of the lines and on nothing else, so
// whoever counts the same lines again finds the same.
type table struct {
	tallies map[string]*Tally
	rest    Tally
}

func newTable() *table { return &table{tallies: map[string]*Tally{}} }

// count adds one request or failure under key.
func (m *table) count(key string, t Tally) {
	if len(m.tallies) >= held {
		if _, ok := m.tallies[shorten(key)]; !ok {
			m.shrink()
		}
	}
	m.at(key).add(t)
}

func (m *table) at(key string) *Tally {
	key = shorten(key)
	t := m.tallies[key]
	if t == nil {
		t = &Tally{}
		m.tallies[key] = t
	}
	return t
}

func (m *table) shrink() {
	g := m.group(held / 2)
	m.rest = g.Rest
	clear(m.tallies)
	for _, r := range g.Rows {
		*m.at(r.Key) = r.Tally
	}
}

// group returns the limit busiest rows. Equals are ordered by key.
func (m *table) group(limit int) Group {
	g := Group{Rest: m.rest}
	for _, key := range slices.Collect(maps.Keys(m.tallies)) {
		g.Rows = append(g.Rows, Row{key, *m.tallies[key]})
	}
	slices.SortFunc(g.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Requests+b.Failures, a.Requests+a.Failures), cmp.Compare(a.Key, b.Key))
	})
	g.fold(limit)
	return g
}

// shorten cuts a long key, at the end of a character.
func shorten(key string) string {
	if len(key) <= longest {
		return key
	}
	end := longest - len(ellipsis)
	for end > 0 && !utf8.RuneStart(key[end]) {
		end--
	}
	return key[:end] + ellipsis
}
