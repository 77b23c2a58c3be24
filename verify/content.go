package verify

import (
	"context"
	"fmt"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/pack"
)

// content opens m and reads every stream to its end. Reading compares each pack with its
// signed hash, so the packs are not read a second time, unless something is wrong: then all of
// them are looked at, so that every damaged object is named and not only the first.
func (v *Verifier) content(ctx context.Context, m *snapshot.Manifest, f *snapshot.Finding, c *collector, packs *packChecker) error {
	list, err := v.documents(ctx, m, f, c)
	if err != nil {
		return err
	}
	list = v.sample(list)
	for _, p := range list {
		f.Objects++
		f.Bytes += p.Size
	}
	if len(c.list) == 0 {
		if err := c.take(snapshot.ContentsKey(m.Vault, m.ID), v.read(ctx, m, list, f, c)); err != nil {
			return err
		}
	}
	if len(c.list)+len(c.unread) > 0 {
		return packs.check(ctx, list, c)
	}
	return nil
}

func (v *Verifier) read(ctx context.Context, m *snapshot.Manifest, list []pack.Info, f *snapshot.Finding, c *collector) error {
	s, err := restore.Open(ctx, v.Store, m, v.Trust, v.Progress, v.Identities...)
	if err != nil {
		return err
	}
	if v.sampled() {
		return s.ReadPacks(ctx, list)
	}
	if err := sameTable(m, s.Contents.Table(), list); err != nil {
		return err
	}
	for n, b := range m.Index {
		key := snapshot.IndexKey(m.Vault, m.ID, n)
		body, err := snapshot.ReadBlob(ctx, v.Store, key, b)
		if err == nil {
			err = snapshot.CheckIndex(body, m, n, s.Contents.Key(), s.Epoch)
		}
		if err := c.take(key, err); err != nil {
			return err
		}
	}
	l, err := restore.Discard{Checker: v.checker(m.Kind)}.Load(ctx, s)
	if err != nil {
		return err
	}
	for _, st := range l.Streams {
		f.Rows += st.Rows
	}
	c.notes = append(c.notes, l.Notes...)
	f.Unsealed = l.Unsealed
	return nil
}

func (v *Verifier) checker(kind string) restore.Checker {
	if k, ok := v.Checkers[kind]; ok {
		return k
	}
	return restore.Digests{}
}

// sameTable compares the private table of packs with the public list.
func sameTable(m *snapshot.Manifest, table, list []pack.Info) error {
	key := snapshot.PackListKey(m.Vault, m.ID)
	sizes := make(map[pack.Sum]int64, len(list))
	for _, p := range list {
		sizes[p.Sum] = p.Size
	}
	for _, p := range table {
		if size, ok := sizes[p.Sum]; !ok || size != p.Size {
			return &snapshot.Damage{Key: key, Cause: fmt.Errorf("pack %s is not in it", snapshot.Digest(p.Sum))}
		}
	}
	if len(table) != len(list) {
		return &snapshot.Damage{Key: key, Cause: fmt.Errorf("%d packs instead of %d", len(list), len(table))}
	}
	return nil
}
