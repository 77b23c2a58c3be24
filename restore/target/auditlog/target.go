package auditlog

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/auditlog"
)

// A Target restores the files of a log into the folder Path. It implements restore.Target.
type Target struct {
	Path     string
	Only     []string // patterns for names of files, as path.Match has them; none means all
	Replace  bool     // the folder at Path, with all in it, gives way to the restored one
	Rehearse bool     // do everything beside Path, then remove it again
	Progress snapshot.Progress
}

// ErrNoMatch means that no file in the dump matches Only.
var ErrNoMatch = errors.New("nothing matches")

// errPartialReplace keeps a part from taking the place of the whole.
var errPartialReplace = errors.New("a part would replace the whole folder; restore it to a new place")

// Preflight looks at the place of the target and at what the dump will need.
func (t *Target) Preflight(ctx context.Context, d restore.Dump) error {
	return t.preflight(ctx, d)
}

// Load restores d into a folder beside Path, reads back what it wrote, and renames the folder
// into place. Until then, and after any error, Path is as it was.
func (t *Target) Load(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	loaded, err := t.load(ctx, d)
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("writing %s: %w", t.Path, err)
	}
	return loaded, nil
}

// place checks the settings and returns Path, absolute.
func (t *Target) place() (string, error) {
	if t.Path == "" {
		return "", errors.New("no folder to restore to")
	}
	place, err := filepath.Abs(t.Path)
	if err != nil {
		return "", err
	}
	if place == filepath.Dir(place) {
		return "", errors.New("the root of the file system cannot be replaced")
	}
	if t.Replace && len(t.Only) > 0 {
		return "", errPartialReplace
	}
	return place, nil
}

// A part is one file to be restored.
type part struct {
	auditlog.File
	info snapshot.StreamInfo
}

// choose returns the files that Only asks for, the bytes of the list they are in, and notes on
// patterns that match none.
func (t *Target) choose(ctx context.Context, d restore.Dump) (chosen []part, index int64, notes []string, err error) {
	all, index, err := parts(ctx, d)
	if err != nil || len(t.Only) == 0 {
		return all, index, nil, err
	}
	used := make([]bool, len(t.Only))
	for _, p := range all {
		found, err := t.matches(p.Name, used)
		if err != nil {
			return nil, 0, nil, err
		}
		if found {
			chosen = append(chosen, p)
		}
	}
	if len(chosen) == 0 {
		return nil, 0, nil, fmt.Errorf("%s: %w", strings.Join(t.Only, " "), ErrNoMatch)
	}
	for i, pattern := range t.Only {
		if !used[i] {
			notes = append(notes, fmt.Sprintf("%s matches nothing in this snapshot", pattern))
		}
	}
	return chosen, index, notes, nil
}

func (t *Target) matches(name string, used []bool) (found bool, err error) {
	for i, pattern := range t.Only {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return false, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		used[i] = used[i] || ok
		found = found || ok
	}
	return found, nil
}

// parts reads the list of files and finds the stream of each. Every stream of the dump is in the
// list, and the other way round. index is how many bytes the list has.
func parts(ctx context.Context, d restore.Dump) (all []part, index int64, err error) {
	r, err := d.Open(ctx, auditlog.IndexStream)
	if err != nil {
		return nil, 0, fmt.Errorf("opening %s: %w", auditlog.IndexStream, err)
	}
	n := &counting{r: r}
	x, err := auditlog.ReadIndex(n)
	if errors.Is(err, auditlog.ErrIndex) {
		err = &snapshot.Damage{Key: auditlog.IndexStream, Cause: err}
	}
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, 0, fmt.Errorf("reading %s: %w", auditlog.IndexStream, err)
	}
	streams := map[string]snapshot.StreamInfo{}
	for _, info := range d.Streams() {
		streams[info.Name] = info
	}
	for _, f := range x.Files {
		info, ok := streams[f.Stream]
		if !ok {
			return nil, 0, snapshot.Damaged(auditlog.IndexStream, "the stream of %q is not in the snapshot", f.Name)
		}
		all = append(all, part{f, info})
	}
	if len(streams) != len(all)+1 {
		return nil, 0, snapshot.Damaged(auditlog.IndexStream, "%d files for %d streams", len(all), len(streams)-1)
	}
	return all, n.n, nil
}
