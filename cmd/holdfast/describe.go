package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"holdfast/cmd/holdfast/config"
	"holdfast/snapshot"
	"holdfast/snapshot/source/auditlog"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/raft"
)

// A description is what a kind says of its streams: a value for programs, a table for people.
type description struct {
	value  any
	header []string
	rows   [][]string
	right  []int // columns of numbers
}

// describers read what the facts of streams say, by kind. What they say is private.
func describers() map[string]func([]snapshot.StreamInfo) (*description, error) {
	return map[string]func([]snapshot.StreamInfo) (*description, error){
		config.KindRaft:     describeRaft,
		config.KindKV:       describeKV,
		config.KindAuditLog: describeAuditLog,
	}
}

// describeRaft lists the mounts of a cluster by their entries, then what belongs to none.
func describeRaft(streams []snapshot.StreamInfo) (*description, error) {
	i := slices.IndexFunc(streams, func(s snapshot.StreamInfo) bool { return s.Name == raft.StateName })
	if i < 0 {
		return nil, fmt.Errorf("there is no stream %s", raft.StateName)
	}
	var f raft.Facts
	if err := json.Unmarshal(streams[i].Facts, &f); err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, m := range f.Mounts {
		path := m.Path
		if m.Auth {
			path = "auth/" + path
		}
		names[m.UUID] = path + " (" + m.Type + ")"
	}
	d := &description{value: f, header: []string{"mount", "kind", "entries", "size"}, right: []int{2, 3}}
	for _, g := range f.Census.Groups {
		d.rows = append(d.rows, []string{cmp.Or(names[g.UUID], g.UUID, "-"), g.Kind, fmt.Sprint(g.Entries), bytesText(g.Bytes)})
	}
	slices.SortStableFunc(d.rows, func(a, b []string) int { return cmp.Compare(a[0], b[0]) })
	d.rows = append(d.rows, []string{"all", "", fmt.Sprint(f.Census.Entries), bytesText(f.Census.Bytes)})
	return d, nil
}

// describeKV lists the mounts of a KV vault by their secrets.
func describeKV(streams []snapshot.StreamInfo) (*description, error) {
	mounts, err := kv.Mounts(streams)
	if err != nil {
		return nil, err
	}
	d := &description{value: mounts, header: []string{"mount", "engine", "secrets", "versions", "deleted", "destroyed", "left out"}, right: []int{2, 3, 4, 5, 6}}
	for _, m := range mounts {
		i := slices.IndexFunc(streams, func(s snapshot.StreamInfo) bool { return s.Name == kv.LinesStream(m.Mount) })
		d.rows = append(d.rows, []string{m.Mount, fmt.Sprintf("kv v%d", m.Version), fmt.Sprint(streams[i].Rows), fmt.Sprint(m.Versions),
			fmt.Sprint(m.Deleted), fmt.Sprint(m.Destroyed), fmt.Sprint(m.Excluded)})
	}
	return d, nil
}

// most is how many of each group are shown to people; --json has them all.
const most = 5

// describeAuditLog says how much was asked of a server, and by whom.
func describeAuditLog(streams []snapshot.StreamInfo) (*description, error) {
	i := slices.IndexFunc(streams, func(s snapshot.StreamInfo) bool { return s.Name == auditlog.IndexStream })
	if i < 0 {
		return nil, fmt.Errorf("there is no stream %s", auditlog.IndexStream)
	}
	var f auditlog.Facts
	if err := json.Unmarshal(streams[i].Facts, &f); err != nil {
		return nil, err
	}
	c := f.Counts
	d := &description{value: f, header: []string{"requests by", "", "requests", "failures"}, right: []int{2, 3}}
	d.rows = append(d.rows, []string{"all", stamp(c.First) + " to " + stamp(c.Last), fmt.Sprint(c.Requests), fmt.Sprint(c.Failures)})
	for _, g := range []struct {
		by    string
		group auditlog.Group
	}{{"operation", c.Operations}, {"mount", c.Mounts}, {"actor", c.Actors}, {"address", c.Addresses}, {"error", c.Errors}} {
		for i, r := range g.group.Rows {
			if i == most {
				break
			}
			d.rows = append(d.rows, []string{g.by, visible(r.Key), fmt.Sprint(r.Requests), fmt.Sprint(r.Failures)})
		}
	}
	return d, nil
}
