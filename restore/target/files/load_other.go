//go:build !linux

package files

import (
	"context"
	"errors"
	"fmt"

	"holdfast/restore"
)

// Restoring needs Linux, as dumping does. Checker works everywhere.
var errElsewhere = fmt.Errorf("restoring a tree of files on this system: %w", errors.ErrUnsupported)

func (t *Target) preflight(context.Context, restore.Dump) error {
	return restore.Problems{errElsewhere}
}

func (t *Target) load(context.Context, restore.Dump) (restore.Loaded, error) {
	return restore.Loaded{}, errElsewhere
}
