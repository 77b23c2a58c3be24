package state

import (
	"cmp"
	"slices"
)

// A Change is a group that has another number of entries than it had.
type Change struct {
	Kind   string
	UUID   string // empty for kinds that are not kept per mount, and for mounts that are folded
	Before int64  // entries
	After  int64
}

// Vanished reports whether nothing is left of the group.
func (c Change) Vanished() bool { return c.After == 0 && c.Before > 0 }

// Halved reports whether the group lost more than half of its entries, all of them included.
func (c Change) Halved() bool { return c.After < c.Before-c.After }

// Compare returns what changed since earlier, by UUID and kind. Mounts that are folded in one of the two
// are compared together, as if they were one.
func (c Census) Compare(earlier Census) []Change {
	from := lower(c.FoldedFrom, earlier.FoldedFrom)
	changes := map[place]*Change{}
	at := func(g Group) *Change {
		p := place{g.Kind, g.UUID}
		if from != "" && p.uuid >= from {
			p.uuid = ""
		}
		if changes[p] == nil {
			changes[p] = &Change{Kind: p.kind, UUID: p.uuid}
		}
		return changes[p]
	}
	for _, g := range earlier.Groups {
		at(g).Before += g.Entries
	}
	for _, g := range c.Groups {
		at(g).After += g.Entries
	}
	var list []Change
	for _, change := range changes {
		if change.Before != change.After {
			list = append(list, *change)
		}
	}
	slices.SortFunc(list, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.UUID, b.UUID), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}

// lower returns the lower of two ends, of which an empty one is no end.
func lower(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return min(a, b)
}
