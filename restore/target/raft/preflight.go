package raft

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/vaultapi"
)

const (
	plainPath = "sys/storage/raft/snapshot"
	forcePath = "sys/storage/raft/snapshot-force"
)

func (t *Target) preflight(ctx context.Context, d restore.Dump) (p restore.Problems) {
	f, err := facts(d)
	if err != nil {
		return restore.Problems{err}
	}
	if _, err := open(ctx, d, t.Shares); err != nil {
		p = append(p, err)
	}
	sess, err := t.Server.Login(ctx)
	if err != nil {
		return append(p, err)
	}
	p = append(p, t.obstacles(ctx, sess, f)...)
	if err := sess.Close(ctx); err != nil {
		p = append(p, err)
	}
	return p
}

// obstacles are what stands in the way at the server.
func (t *Target) obstacles(ctx context.Context, sess *vaultapi.Session, f raft.Facts) (p restore.Problems) {
	st := sess.Status()
	for _, err := range []error{
		storageProblem(st), versionProblem(st, f), t.splitProblem(st, f), rightsProblem(ctx, sess), t.occupied(ctx, sess),
	} {
		if err != nil {
			p = append(p, err)
		}
	}
	return p
}

func storageProblem(st vaultapi.Status) error {
	if st.StorageType == "" || st.StorageType == "raft" { // old servers do not say
		return nil
	}
	return fmt.Errorf("the target keeps its data in %q storage; only integrated storage (raft) takes snapshots", st.StorageType)
}

// splitProblem tells when the shares would not be taken after the restore.
func (t *Target) splitProblem(st vaultapi.Status, f raft.Facts) error {
	switch {
	case t.Shares == nil || f.SealType == "":
		return nil
	case f.SealType != st.SealType:
		return fmt.Errorf("the seal of the target is %q and that of the snapshot %q: configure it as the snapshot's server was", st.SealType, f.SealType)
	case f.SealType == barrier.Shamir && !sameSplit(st, f):
		return fmt.Errorf("%w: %d with a threshold of %d, and the snapshot has %d with %d: initialise it with those, or leave the unseal shares away, restart it after the restore and unseal it then",
			ErrOtherSplit, st.Shares, st.Threshold, f.Shares, f.Threshold)
	}
	return nil
}

func sameSplit(st vaultapi.Status, f raft.Facts) bool {
	return st.Shares == f.Shares && st.Threshold == f.Threshold
}

// rightsProblem asks whether the token may do what a restore takes.
func rightsProblem(ctx context.Context, sess *vaultapi.Session) error {
	answer, err := sess.Put(ctx, "sys/capabilities-self", map[string]any{"paths": []string{plainPath, forcePath}})
	if err != nil {
		return fmt.Errorf("asking what the token may do: %w", err)
	}
	granted := map[string]any{}
	if err := answer.Decode(&granted); err != nil {
		return fmt.Errorf("asking what the token may do: %w", err)
	}
	var missing []string
	for _, path := range []string{plainPath, forcePath} {
		if !allows(granted[path]) {
			missing = append(missing, path)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: the token needs the capability update on %s", vaultapi.ErrDenied, strings.Join(missing, " and "))
	}
	return nil
}

// allows reads a list of capabilities.
func allows(list any) bool {
	all, _ := list.([]any)
	return slices.ContainsFunc(all, func(c any) bool { return c == "root" || c == "update" })
}

// holdings are what a server has that a fresh one has not.
type holdings struct{ engines, methods []string }

func (h holdings) none() bool { return len(h.engines)+len(h.methods) == 0 }

func (h holdings) String() string {
	var parts []string
	if len(h.engines) > 0 {
		parts = append(parts, "the secrets engines "+some(h.engines))
	}
	if len(h.methods) > 0 {
		parts = append(parts, "the auth methods "+some(h.methods))
	}
	return strings.Join(parts, " and ")
}

// some names a few of many.
func some(names []string) string {
	const few = 8
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// occupied is the problem that a server has something that would be gone.
func (t *Target) occupied(ctx context.Context, sess *vaultapi.Session) error {
	if t.Replace {
		return nil
	}
	h, err := t.holdings(ctx, sess)
	switch {
	case errors.Is(err, vaultapi.ErrDenied):
		return fmt.Errorf("the token may not see whether the target is empty: %w", err)
	case err != nil:
		return fmt.Errorf("looking whether the target is empty: %w", err)
	case h.none():
		return nil
	}
	return fmt.Errorf("%w: it has %s, which a restore replaces as a whole", restore.ErrOccupied, h)
}

// holdings lists what is mounted, without what every server has and what this session came in by.
func (t *Target) holdings(ctx context.Context, sess *vaultapi.Session) (h holdings, err error) {
	if h.engines, err = mounted(ctx, sess, "sys/mounts", "system", "cubbyhole", "identity"); err != nil {
		return h, err
	}
	if h.methods, err = mounted(ctx, sess, "sys/auth", "token"); err != nil {
		return h, err
	}
	if auth := t.Server.Auth; auth.Method != vaultapi.MethodToken {
		own := auth.Mount
		if own == "" {
			own = auth.Method
		}
		h.methods = slices.DeleteFunc(h.methods, func(name string) bool { return name == strings.Trim(own, "/")+"/" })
	}
	return h, nil
}

// mounted lists a table of mounts but those of the types that are always there.
func mounted(ctx context.Context, sess *vaultapi.Session, table string, always ...string) ([]string, error) {
	answer, err := sess.Read(ctx, table, nil)
	if err != nil {
		return nil, err
	}
	var mounts map[string]struct{ Type string }
	if err := answer.Decode(&mounts); err != nil {
		return nil, err
	}
	maps.DeleteFunc(mounts, func(_ string, m struct{ Type string }) bool {
		return slices.Contains(always, strings.TrimPrefix(m.Type, "ns_"))
	})
	return slices.Sorted(maps.Keys(mounts)), nil
}
