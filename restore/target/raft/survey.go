package raft

import (
	"context"
	"errors"
	"fmt"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/raft/state"
	"holdfast/snapshot/source/vaultapi"
)

func (t *Target) survey(ctx context.Context, d restore.Dump) (lines []string, err error) {
	f, err := facts(d)
	if err != nil {
		return nil, err
	}
	sess, err := t.Server.Login(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sess.Close(ctx)) }()
	st := sess.Status()
	lines = []string{
		fmt.Sprintf("the snapshot is of cluster %s (%s), %s %s, %s", name(f.ClusterName), name(f.ClusterID), f.Product, f.Version, sealed(f.SealType, f.Shares, f.Threshold)),
		fmt.Sprintf("the target at %s is cluster %s (%s), %s %s, %s", sess.Address(), name(st.ClusterName), name(st.ClusterID), st.Product, st.Version, sealed(st.SealType, st.Shares, st.Threshold)),
	}
	if f.Product != st.Product {
		lines = append(lines, fmt.Sprintf("the snapshot is of %s and the target is %s: whether one reads the other's data depends on the versions, so try it in a drill", f.Product, st.Product))
	}
	h, err := t.holdings(ctx, sess)
	switch {
	case errors.Is(err, vaultapi.ErrDenied):
		lines = append(lines, "the token may not see what is in the target")
	case err != nil:
		return nil, err
	case h.none():
		lines = append(lines, "nothing is mounted in the target that a fresh server has not")
	default:
		lines = append(lines, fmt.Sprintf("the target has %s, which go", h))
	}
	lines = append(lines, route(st, f))
	return append(lines, t.aftermath(st, f)...), nil
}

// name is what is known, for a sentence.
func name(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func sealed(kind string, shares, threshold int) string {
	if kind == barrier.Shamir {
		return fmt.Sprintf("sealed by %d unseal shares of which %d are needed", shares, threshold)
	}
	return fmt.Sprintf("sealed by %s", name(kind))
}

// sameCluster tells whether the target is the cluster that was dumped, or a copy of it.
func sameCluster(st vaultapi.Status, f raft.Facts) bool {
	return f.ClusterID != "" && f.ClusterID == st.ClusterID
}

func route(st vaultapi.Status, f raft.Facts) string {
	if sameCluster(st, f) {
		return "it is the same cluster: the route is " + plainPath + ", or if the unseal keys were changed since then " + forcePath
	}
	return "it is another cluster: the route is " + forcePath
}

// aftermath says what will be so afterwards, and what people have to do.
func (t *Target) aftermath(st vaultapi.Status, f raft.Facts) []string {
	lines := []string{"everything in the target is replaced at once and every token of it ends; those of the snapshot are valid again if their time has not run out"}
	var leases int64
	for _, g := range f.Census.Groups {
		if g.Kind == state.KindLease {
			leases += g.Entries
		}
	}
	if leases > 0 {
		lines = append(lines, fmt.Sprintf("the snapshot has %d leases: the server revokes those that have run out since then, at the databases and services that they are of", leases))
	}
	if !sameCluster(st, f) {
		lines = append(lines, "the snapshot names the leader that it was taken from: as long as the target's nodes reach that, a standby may ask it, hear that it is no member, and seal itself again; keep the two clusters apart")
	}
	lines = append(lines, keysNeeded(st, f)...)
	if t.Shares == nil {
		return append(lines, "without unseal shares nothing can be recounted after the restore")
	}
	return append(lines, "the configured nodes are unsealed with the shares that were given and read back; other nodes of the cluster are left to be unsealed")
}

// keysNeeded says what unseals the target afterwards.
func keysNeeded(st vaultapi.Status, f raft.Facts) []string {
	switch {
	case f.SealType == "":
		return []string{"the snapshot does not say what its seal was: afterwards the target has that one"}
	case f.SealType != barrier.Shamir:
		return []string{fmt.Sprintf("afterwards the target is unsealed by %s alone: its configuration has to name the key of the snapshot's server", f.SealType)}
	case sameCluster(st, f):
		return []string{fmt.Sprintf("it stays unsealed, or if the unseal keys were changed since the snapshot asks for the old ones: %d of %d", f.Threshold, f.Shares)}
	}
	lines := []string{fmt.Sprintf("every node is sealed afterwards, and %d of the %d unseal keys of the snapshot's cluster are needed; those of the target are void", f.Threshold, f.Shares)}
	if st.SealType != barrier.Shamir {
		return append(lines, fmt.Sprintf("the target is configured for %s: take that out of its configuration and restart it before it can be unsealed", name(st.SealType)))
	}
	if !sameSplit(st, f) {
		return append(lines, fmt.Sprintf("the target was initialised with %d shares and a threshold of %d: restart every node after the restore, until then it asks for %d of %d and takes none of the right ones",
			st.Shares, st.Threshold, st.Threshold, st.Shares))
	}
	return lines
}
