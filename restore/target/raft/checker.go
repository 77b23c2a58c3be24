package raft

import (
	"context"
	"fmt"
	"strings"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft"
)

// A Checker proves that a dump is a whole archive that a server takes. It implements restore.Checker.
type Checker struct {
	// Shares, if set, are unseal shares of the snapshot. Then every entry is decrypted, too, and it is proven
	// that these shares open it.
	Shares func() (barrier.Shares, error)
}

var _ restore.Checker = Checker{}

// Check reads every stream to its end, state.bin two times if there are shares.
func (c Checker) Check(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	loaded, err := c.check(ctx, d)
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("checking the archive: %w", err)
	}
	return loaded, nil
}

func (c Checker) check(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	w, err := prove(ctx, d, nil, nil)
	if err != nil {
		return restore.Loaded{}, err
	}
	loaded := restore.Loaded{Streams: w.loaded(d)}
	o, err := open(ctx, d, c.Shares)
	if err != nil || o == nil {
		return loaded, err
	}
	proof, err := o.prove(ctx, d)
	if err != nil {
		return restore.Loaded{}, err
	}
	if proof.Entries != w.entries {
		return restore.Loaded{}, snapshot.Damaged(raft.StateName, "%d entries were proven, and it has %d", proof.Entries, w.entries)
	}
	loaded.Notes, loaded.Unsealed = append(loaded.Notes, remarks(proof)...), true
	return loaded, nil
}

// remarks tell people what was proven, with the names that they know.
func remarks(p barrier.Proof) []string {
	lines := []string{fmt.Sprintf("the unseal shares open this snapshot: %d of %d entries decrypted, the other %d are not encrypted with its keys",
		p.Authenticated, p.Entries, p.Entries-p.Authenticated)}
	for _, list := range []struct {
		what  string
		names []string
	}{
		{"secrets engines", typed(p.Mounts)}, {"auth methods", typed(p.AuthMethods)}, {"audit devices", typed(p.Audit)}, {"policies", p.Policies},
	} {
		if len(list.names) > 0 {
			lines = append(lines, fmt.Sprintf("%d %s: %s", len(list.names), list.what, strings.Join(list.names, ", ")))
		}
	}
	for _, name := range p.Unread {
		lines = append(lines, name+" is authentic and compressed in a way that is not known here: what it lists is not shown")
	}
	return lines
}

func typed(mounts []barrier.Mount) []string {
	var list []string
	for _, m := range mounts {
		name := m.Path + " (" + m.Type + ")"
		if m.Namespace != "" {
			name = m.Namespace + "/" + name
		}
		list = append(list, name)
	}
	return list
}
