package sqlite

import (
	"context"
	"errors"
	"fmt"

	"holdfast/restore"
	source "holdfast/snapshot/source/sqlite"
)

// A Checker proves the structure and the row counts of a dump while it streams by.
type Checker struct{}

var _ restore.Checker = Checker{}

// Check reads the dump's stream to io.EOF. The counts it returns are of the bytes it read.
func (Checker) Check(ctx context.Context, d restore.Dump) (loaded restore.Loaded, err error) {
	info, facts, err := only(d)
	if err != nil {
		return loaded, fmt.Errorf("checking a SQLite dump: %w", err)
	}
	r, err := d.Open(ctx, info.Name)
	if err != nil {
		return loaded, fmt.Errorf("checking stream %q: %w", info.Name, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	counts, err := source.Check(plain{ctx, r}, facts)
	if err != nil {
		return loaded, fmt.Errorf("checking stream %q: %w", info.Name, err)
	}
	loaded.Streams = []restore.LoadedStream{{Name: info.Name, Rows: counts.Rows, Bytes: counts.Bytes}}
	return loaded, nil
}
