package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"golang.org/x/sys/unix"

	"holdfast/restore"
)

func (t *Target) load(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	pl, err := t.plan()
	if err != nil {
		return restore.Loaded{}, err
	}
	f, err := facts(d)
	if err != nil {
		return restore.Loaded{}, err
	}
	stale, err := t.sweep(pl.path)
	if err != nil {
		return restore.Loaded{}, err
	}
	if err := placeProblems(pl.path, f.Root, t.Replace).ErrOrNil(); err != nil {
		return restore.Loaded{}, err
	}
	stage, err := newStaging(pl.path)
	if err != nil {
		return restore.Loaded{}, err
	}
	loaded, err := t.stage(ctx, d, pl, stage)
	if err == nil && !t.Rehearse {
		err = stage.commit(t.Replace)
	}
	left, removeErr := stage.remove()
	if err != nil {
		return restore.Loaded{}, errors.Join(err, removeErr)
	}
	loaded.Notes = append(loaded.Notes, stale...)
	if removeErr != nil && t.Rehearse {
		return restore.Loaded{}, removeErr
	}
	if removeErr != nil { // the tree is in place, which an error would deny
		loaded.Notes = append(loaded.Notes, fmt.Sprintf("what was replaced is still in %s: %v", left, removeErr))
	}
	return loaded, nil
}

// stage fills the staging folder and proves what is in it.
func (t *Target) stage(ctx context.Context, d restore.Dump, pl plan, stage *staging) (restore.Loaded, error) {
	var (
		from  members
		notes func() []string
	)
	if len(pl.only) == 0 {
		w, err := openWhole(ctx, d)
		if err != nil {
			return restore.Loaded{}, err
		}
		from = w
	} else {
		p, err := openPart(ctx, d, pl.only)
		if err != nil {
			return restore.Loaded{}, err
		}
		from, notes = p, p.chosen.notes
	}
	b := newBuilder(stage.fd, t.NumericOwner)
	err := fill(ctx, from, b)
	streams := from.loaded()
	if err := errors.Join(err, from.close(), b.close()); err != nil {
		return restore.Loaded{}, err
	}
	if len(pl.only) == 0 {
		if err := compareRows(d, b.entries); err != nil {
			return restore.Loaded{}, err
		}
	}
	// One call for all files is far cheaper than one for each, and reports write errors
	// of each just the same.
	if err := unix.Syncfs(stage.fd); err != nil {
		return restore.Loaded{}, fmt.Errorf("syncing: %w", err)
	}
	stage.rootMode = b.rootMode
	loaded := restore.Loaded{Place: pl.path, Streams: streams, Notes: b.notes.text()}
	if notes != nil {
		loaded.Notes = append(loaded.Notes, notes()...)
	}
	if t.Rehearse {
		loaded.Notes = append(loaded.Notes, fmt.Sprintf("rehearsed in %s; nothing was kept", filepath.Dir(pl.path)))
	}
	return loaded, nil
}

func fill(ctx context.Context, from members, b *builder) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, data, err := from.next()
		if err == io.EOF {
			return b.finish()
		}
		if err != nil {
			return err
		}
		if err := b.add(ctx, e, data); err != nil {
			return fmt.Errorf("making %q: %w", e.Path, err)
		}
	}
}
