//go:build !linux

package auditlog

import (
	"context"
	"errors"
	"fmt"

	"holdfast/restore"
)

// errElsewhere is what a restore ends with where files cannot be put into place at once.
var errElsewhere = fmt.Errorf("restoring an audit log on this system: %w", errors.ErrUnsupported)

func (t *Target) preflight(context.Context, restore.Dump) error {
	return restore.Problems{errElsewhere}
}

func (t *Target) load(context.Context, restore.Dump) (restore.Loaded, error) {
	return restore.Loaded{}, errElsewhere
}
