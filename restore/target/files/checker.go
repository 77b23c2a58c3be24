package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/files"
)

// A Checker proves that a dump is one whole tree. It implements restore.Checker.
type Checker struct{}

// Check reads both streams once, side by side.
func (Checker) Check(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	tree, index, err := openBoth(ctx, d)
	if err != nil {
		return restore.Loaded{}, err
	}
	counts, err := files.Check(ctx, tree, index)
	if err := closeBoth(tree, index, err); err != nil {
		return restore.Loaded{}, fmt.Errorf("checking the tree: %w", err)
	}
	if err := compareRows(d, counts.Entries); err != nil {
		return restore.Loaded{}, err
	}
	return restore.Loaded{Streams: []restore.LoadedStream{
		{Name: files.TreeStream, Rows: counts.Entries, Bytes: counts.TreeBytes},
		{Name: files.IndexStream, Bytes: counts.IndexBytes},
	}}, nil
}

func openBoth(ctx context.Context, d restore.Dump) (tree, index io.ReadCloser, err error) {
	index, err = d.Open(ctx, files.IndexStream)
	if err != nil {
		return nil, nil, fmt.Errorf("opening %s: %w", files.IndexStream, err)
	}
	tree, err = d.Open(ctx, files.TreeStream)
	if err != nil {
		index.Close()
		return nil, nil, fmt.Errorf("opening %s: %w", files.TreeStream, err)
	}
	return tree, index, nil
}

func closeBoth(tree, index io.Closer, err error) error {
	return errors.Join(err, tree.Close(), index.Close())
}

// compareRows holds the recount against what the source counted.
func compareRows(d restore.Dump, entries int64) error {
	info, err := restore.Find(d, files.TreeStream)
	if err != nil {
		return err
	}
	if info.Rows != entries {
		return snapshot.Damaged(files.TreeStream, "%d entries instead of %d", entries, info.Rows)
	}
	return nil
}

// facts are what the source said about the tree.
func facts(d restore.Dump) (files.Facts, error) {
	info, err := restore.Find(d, files.TreeStream)
	if err != nil {
		return files.Facts{}, err
	}
	var f files.Facts
	if err := json.Unmarshal(info.Facts, &f); err != nil {
		return files.Facts{}, snapshot.Damaged(files.TreeStream, "its facts: %w", err)
	}
	if f.Root != "dir" && f.Root != "file" {
		return files.Facts{}, snapshot.Damaged(files.TreeStream, "its root is %.20q", f.Root)
	}
	return f, nil
}
