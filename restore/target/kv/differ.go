package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/kv"
)

// Diff is the restore.Differ of KV secrets. Mounts and documents whose digests agree are not read; of
// others it reads the lines side by side and tells names and versions, never values.
func Diff(ctx context.Context, a, b restore.Dump) ([]restore.Change, error) {
	before, err := kv.Mounts(a.Streams())
	if err != nil {
		return nil, err
	}
	after, err := kv.Mounts(b.Streams())
	if err != nil {
		return nil, err
	}
	var list []restore.Change
	add := func(c restore.Change) { list = append(list, c) }
	for _, f := range both(before, after) {
		if err := diffMount(ctx, a, b, f.before, f.after, add); err != nil {
			return nil, fmt.Errorf("comparing two snapshots: %w", err)
		}
	}
	diffDocuments(a, b, add)
	return list, nil
}

type pair struct{ before, after *kv.Facts }

// both pairs the mounts of two dumps: those of the first in their order, then what is new.
func both(before, after []kv.Facts) []pair {
	var pairs []pair
	seen := map[string]int{}
	for i := range before {
		seen[before[i].Mount] = i
		pairs = append(pairs, pair{before: &before[i]})
	}
	for i := range after {
		if at, ok := seen[after[i].Mount]; ok {
			pairs[at].after = &after[i]
			continue
		}
		pairs = append(pairs, pair{after: &after[i]})
	}
	return pairs
}

func diffMount(ctx context.Context, a, b restore.Dump, before, after *kv.Facts, add func(restore.Change)) (err error) {
	if before != nil && after != nil {
		if !bytes.Equal(before.Config, after.Config) || before.Version != after.Version {
			add(restore.Change{Name: after.Mount, Change: "changed", Detail: "settings of the mount"})
		}
		if sameStream(a, b, kv.LinesStream(after.Mount)) {
			return nil
		}
	}
	x, err := openSide(ctx, a, before)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.close()) }()
	y, err := openSide(ctx, b, after)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, y.close()) }()
	return merge(x, y, add)
}

// merge walks two mounts by their paths.
func merge(x, y *side, add func(restore.Change)) error {
	if err := errors.Join(x.next(), y.next()); err != nil {
		return err
	}
	for x.secret != nil || y.secret != nil {
		left := y.secret == nil || x.secret != nil && x.secret.Path <= y.secret.Path
		right := x.secret == nil || y.secret != nil && y.secret.Path <= x.secret.Path
		c, err := change(x, y, left, right)
		if err != nil {
			return err
		}
		if c != nil {
			add(*c)
		}
		if left {
			err = x.next()
		}
		if right {
			err = errors.Join(err, y.next())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// change describes what is at one path: left says that x has it, right that y has.
func change(x, y *side, left, right bool) (*restore.Change, error) {
	if left && right {
		return changed(x, y)
	}
	s, kind := x, "removed"
	if right {
		s, kind = y, "added"
	}
	detail, err := describe(s.secret)
	return &restore.Change{Name: s.facts.Mount + "/" + s.secret.Path, Change: kind, Detail: detail}, err
}

func changed(x, y *side) (*restore.Change, error) {
	if bytes.Equal(x.line, y.line) {
		return nil, nil
	}
	c := &restore.Change{Name: y.facts.Mount + "/" + y.secret.Path, Change: "changed"}
	if (x.secret.Metadata == nil) != (y.secret.Metadata == nil) {
		c.Detail = "another version of the engine"
		return c, nil
	}
	if x.secret.Metadata == nil {
		c.Detail = "data"
		return c, nil
	}
	before, err := x.secret.State()
	if err != nil {
		return nil, err
	}
	after, err := y.secret.State()
	if err != nil {
		return nil, err
	}
	c.Detail = compareHistory(before, after)
	return c, nil
}

// compareHistory tells how a secret went on.
func compareHistory(before, after *kv.State) string {
	var list []string
	if before.Created != after.Created {
		list = append(list, "made anew")
	}
	if before.Current != after.Current {
		list = append(list, fmt.Sprintf("version %d to %d", before.Current, after.Current))
	}
	at := map[uint64]*kv.VersionState{}
	for i := range before.Versions {
		at[before.Versions[i].Number] = &before.Versions[i]
	}
	var deleted, destroyed, back, other []string
	for i := range after.Versions {
		v := &after.Versions[i]
		was, n := at[v.Number], fmt.Sprint(v.Number)
		switch {
		case was == nil:
		case v.Destroyed && !was.Destroyed:
			destroyed = append(destroyed, n)
		case was.Live() && !v.Live():
			deleted = append(deleted, n)
		case !was.Live() && v.Live():
			back = append(back, n)
		case was.Live() && !sameVersion(was, v, kv.Config{}, time.Time{}):
			other = append(other, n)
		}
	}
	for _, l := range []struct {
		numbers []string
		what    string
	}{{deleted, "deleted"}, {destroyed, "destroyed"}, {back, "undeleted"}, {other, "changed"}} {
		if len(l.numbers) > 0 {
			list = append(list, fmt.Sprintf("version %s %s", some(l.numbers, 20), l.what))
		}
	}
	if before.Oldest != after.Oldest {
		list = append(list, fmt.Sprintf("versions before %d pruned", after.Oldest))
	}
	if !before.SameSettings(after) {
		list = append(list, "settings or custom metadata")
	}
	if len(list) == 0 {
		list = append(list, "metadata")
	}
	return strings.Join(list, "; ")
}

// A side is one mount of one dump, read along its paths. No mount has no secrets.
type side struct {
	facts  *kv.Facts
	lines  *kv.Lines
	closer func() error
	secret *kv.Secret // nil after the last
	line   []byte
}

func openSide(ctx context.Context, d restore.Dump, f *kv.Facts) (*side, error) {
	if f == nil {
		return &side{closer: func() error { return nil }}, nil
	}
	lines, index, err := openMount(ctx, d, *f)
	if err != nil {
		return nil, err
	}
	closer := func() error { return errors.Join(lines.Close(), index.Close()) }
	return &side{facts: f, lines: kv.NewLines(*f, index, lines), closer: closer}, nil
}

func (s *side) close() error { return s.closer() }

func (s *side) next() (err error) {
	if s.lines == nil {
		return nil
	}
	if s.secret, s.line, err = s.lines.Next(); err == io.EOF {
		s.secret, s.line, s.lines = nil, nil, nil
		return nil
	}
	return err
}

func sameStream(a, b restore.Dump, name string) bool {
	x, errX := restore.Find(a, name)
	y, errY := restore.Find(b, name)
	return errX == nil && errY == nil && x.SHA256 == y.SHA256 && x.Bytes == y.Bytes
}

// diffDocuments compares documents by their digests.
func diffDocuments(a, b restore.Dump, add func(restore.Change)) {
	before := map[string]snapshot.StreamInfo{}
	for _, s := range a.Streams() {
		if kv.IsDocument(s.Name) {
			before[s.Name] = s
		}
	}
	for _, s := range b.Streams() {
		if !kv.IsDocument(s.Name) {
			continue
		}
		was, ok := before[s.Name]
		delete(before, s.Name)
		switch {
		case !ok:
			add(restore.Change{Name: s.Name, Change: "added"})
		case was.SHA256 != s.SHA256:
			add(restore.Change{Name: s.Name, Change: "changed"})
		}
	}
	for _, s := range a.Streams() {
		if _, left := before[s.Name]; left {
			add(restore.Change{Name: s.Name, Change: "removed"})
		}
	}
}
