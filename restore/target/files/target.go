package files

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"holdfast/restore"
	"holdfast/snapshot/source/files"
)

// A Target restores a tree to Path. It implements restore.Target. If the dump is of one
// file, Path is that file.
type Target struct {
	Path         string
	Only         []string // patterns (see files.Pattern) of what to restore; none means all
	Replace      bool     // what is at Path gives way to the restored tree, as a whole
	Rehearse     bool     // do everything beside Path, then remove it again; sweep nothing away
	NumericOwner bool     // owners by number; else by name where the name is known here
}

// ErrNoMatch means that nothing in the dump matches Only.
var ErrNoMatch = errors.New("nothing matches")

// errPartialReplace keeps a part from taking the place of the whole.
var errPartialReplace = errors.New("a part would replace the whole tree; restore it to a new place")

// Preflight looks at the place of the target and at what the dump will need.
func (t *Target) Preflight(ctx context.Context, d restore.Dump) error {
	return t.preflight(ctx, d)
}

// Load restores d into a folder beside Path, proves what it wrote by reading it back, and
// renames it into place. Until then, and after any error, Path is as it was. If the process
// is killed, a folder named .holdfast-* may stay; the next Load to the same
// Path that is no rehearsal removes it.
func (t *Target) Load(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	loaded, err := t.load(ctx, d)
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("writing %s: %w", t.Path, err)
	}
	return loaded, nil
}

// plan is what a Target asks for, checked.
type plan struct {
	path string // absolute
	only []files.Pattern
}

func (t *Target) plan() (plan, error) {
	if t.Path == "" {
		return plan{}, errors.New("no path to restore to")
	}
	path, err := filepath.Abs(t.Path)
	if err != nil {
		return plan{}, err
	}
	if path == filepath.Dir(path) {
		return plan{}, errors.New("the root of the file system cannot be replaced")
	}
	if t.Replace && len(t.Only) > 0 {
		return plan{}, errPartialReplace
	}
	only, err := files.ParsePatterns(t.Only)
	return plan{path, only}, err
}
