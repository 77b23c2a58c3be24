package raft

import (
	"context"
	"fmt"
	"strconv"

	"holdfast/restore"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/raft/state"
)

// Diff is the restore.Differ of raft snapshots. It reads what the source wrote down of each and none of
// their entries, so it finds mounts that came and went and numbers that changed; a secret that was
// overwritten without a new version shows in no number.
func Diff(_ context.Context, a, b restore.Dump) ([]restore.Change, error) {
	before, err := facts(a)
	if err != nil {
		return nil, err
	}
	after, err := facts(b)
	if err != nil {
		return nil, err
	}
	list := diffServers(before, after)
	list = append(list, diffMounts(before, after)...)
	return append(list, diffEntries(before, after)...), nil
}

func diffServers(a, b raft.Facts) []restore.Change {
	var list []restore.Change
	for _, f := range []struct{ name, before, after string }{
		{"cluster id", a.ClusterID, b.ClusterID},
		{"cluster name", a.ClusterName, b.ClusterName},
		{"server version", a.Version, b.Version},
		{"seal", a.SealType, b.SealType},
		{"unseal shares", strconv.Itoa(a.Shares), strconv.Itoa(b.Shares)},
		{"unseal threshold", strconv.Itoa(a.Threshold), strconv.Itoa(b.Threshold)},
	} {
		if f.before != f.after {
			list = append(list, restore.Change{Name: f.name, Change: "changed", Detail: fmt.Sprintf("%q, was %q", f.after, f.before)})
		}
	}
	return list
}

// diffMounts finds mounts by their UUID: one that was moved keeps it, one that was made anew does not.
func diffMounts(a, b raft.Facts) []restore.Change {
	if !named(a, b) {
		return nil
	}
	was, is := mountsByUUID(a), mountsByUUID(b)
	var list []restore.Change
	for _, m := range a.Mounts {
		now, ok := is[m.UUID]
		switch {
		case !ok:
			list = append(list, restore.Change{Name: mountName(m), Change: "removed", Detail: described(m, a.Census)})
		case now.Path != m.Path:
			list = append(list, restore.Change{Name: mountName(now), Change: "changed", Detail: "moved from " + mountName(m)})
		}
	}
	for _, m := range b.Mounts {
		if _, ok := was[m.UUID]; !ok {
			list = append(list, restore.Change{Name: mountName(m), Change: "added", Detail: described(m, b.Census)})
		}
	}
	return list
}

// named tells whether the source was allowed to see the names of mounts, both times.
func named(a, b raft.Facts) bool { return len(a.Mounts) > 0 && len(b.Mounts) > 0 }

func mountsByUUID(f raft.Facts) map[string]raft.Mount {
	m := make(map[string]raft.Mount, len(f.Mounts))
	for _, mount := range f.Mounts {
		m[mount.UUID] = mount
	}
	return m
}

func mountName(m raft.Mount) string {
	if m.Auth {
		return "auth/" + m.Path
	}
	return m.Path
}

func described(m raft.Mount, c state.Census) string {
	var entries int64
	for _, g := range c.Groups {
		if g.UUID == m.UUID {
			entries += g.Entries
		}
	}
	return fmt.Sprintf("%s, %d entries", m.Type, entries)
}

// diffEntries tells of numbers of entries that changed, but for those of mounts that came or went.
func diffEntries(a, b raft.Facts) []restore.Change {
	was, is := mountsByUUID(a), mountsByUUID(b)
	var list []restore.Change
	for _, c := range b.Census.Compare(a.Census) {
		before, wasThere := was[c.UUID]
		after, isThere := is[c.UUID]
		if named(a, b) && wasThere != isThere {
			continue // told already
		}
		name := c.Kind
		switch {
		case isThere:
			name = mountName(after) + " " + name
		case wasThere:
			name = mountName(before) + " " + name
		case c.UUID != "":
			name = c.UUID + " " + name
		}
		list = append(list, restore.Change{Name: name, Change: "changed",
			Detail: fmt.Sprintf("%d entries, were %d (%+d)", c.After, c.Before, c.After-c.Before)})
	}
	return list
}
