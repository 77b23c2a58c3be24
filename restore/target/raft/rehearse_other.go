//go:build !linux

package raft

import (
	"context"
	"errors"
	"fmt"

	"holdfast/restore"
)

func (r *Rehearsal) rehearse(context.Context, restore.Dump, *restore.DrillLog) (restore.Loaded, error) {
	return restore.Loaded{}, fmt.Errorf("a scratch server on this system: %w", errors.ErrUnsupported)
}
