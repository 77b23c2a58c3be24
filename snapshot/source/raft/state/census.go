package state

import (
	"cmp"
	"slices"
)

// A Census says how many entries of what kind a state.bin has. It is made without a key.
type Census struct {
	Entries int64   `json:"entries"`
	Bytes   int64   `json:"bytes"`            // of keys and values
	Groups  []Group `json:"groups,omitempty"` // by UUID, then kind; those of no mount come first
	// FoldedFrom is empty unless there are too many mounts for a group each. Then it is the first UUID
	// of those that have none; what is in them is counted in groups without a UUID, by kind.
	FoldedFrom string `json:"folded_from,omitempty"`
	// Unordered counts entries whose key is not above the one before. The server writes keys in rising
	// order; a fork may store several databases one after the other, so it is no error.
	Unordered int64 `json:"unordered,omitempty"`
}

// A Group is what there is of one kind, in one mount if it is a kind that mounts have.
type Group struct {
	Kind    string `json:"kind"`
	UUID    string `json:"uuid,omitempty"` // of the mount, the auth method or the audit device
	Entries int64  `json:"entries"`
	Bytes   int64  `json:"bytes"`
}

// maxGroups keeps the JSON of a census below 700 KB, whatever is in the state.bin.
const maxGroups = 4000

// A Counter makes a census. The zero Counter is ready; it is for one goroutine and its memory
// is bounded.
type Counter struct {
	census Census
	groups map[place]*Group
	last   place  // of the entry before, which is most often that of the next
	group  *Group // at last
	key    string // of the entry before
	from   string // mounts from here on are folded, unless it is empty
}

// A place is where an entry is counted.
type place struct{ kind, uuid string }

// Add counts e.
func (c *Counter) Add(e Entry) {
	size := int64(len(e.Key) + len(e.Value))
	c.census.Entries++
	c.census.Bytes += size
	if e.Key <= c.key {
		c.census.Unordered++
	}
	c.key = e.Key
	kind, uuid := Classify(e.Key)
	g := c.at(place{kind, uuid})
	g.Entries++
	g.Bytes += size
}

// Census returns what was counted so far.
func (c *Counter) Census() Census {
	c.fold()
	census := c.census
	census.FoldedFrom = c.from
	census.Groups = make([]Group, 0, len(c.groups))
	for _, g := range c.groups {
		census.Groups = append(census.Groups, *g)
	}
	slices.SortFunc(census.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.UUID, b.UUID), cmp.Compare(a.Kind, b.Kind))
	})
	return census
}

func (c *Counter) at(p place) *Group {
	if c.from != "" && p.uuid >= c.from {
		p.uuid = ""
	}
	if c.group != nil && p == c.last {
		return c.group
	}
	if c.groups == nil {
		c.groups = map[place]*Group{}
	}
	g, ok := c.groups[p]
	if !ok {
		if len(c.groups) >= 2*maxGroups {
			c.fold()
			return c.at(p)
		}
		g = &Group{Kind: p.kind, UUID: p.uuid}
		c.groups[p] = g
	}
	c.last, c.group = p, g
	return g
}

// fold counts mounts together until no more than maxGroups groups are left. Which ones depends on their
// UUIDs alone, not on their order or size, so that the same mounts stand alone in the next census and
// two censuses can be compared (Compare).
func (c *Counter) fold() {
	if len(c.groups) <= maxGroups {
		return
	}
	uuids := make([]string, 0, len(c.groups)) // one for each group
	for p := range c.groups {
		uuids = append(uuids, p.uuid)
	}
	slices.Sort(uuids)
	c.from = uuids[maxGroups-len(kindsOfMounts)] // the groups they fold into need room, too
	for p, g := range c.groups {
		if p.uuid < c.from {
			continue
		}
		delete(c.groups, p)
		into := c.groups[place{kind: p.kind}]
		if into == nil {
			into = &Group{Kind: p.kind}
			c.groups[place{kind: p.kind}] = into
		}
		into.Entries += g.Entries
		into.Bytes += g.Bytes
	}
	c.group = nil
}
