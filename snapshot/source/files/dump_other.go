//go:build !linux

package files

import (
	"context"
	"errors"
	"fmt"

	"holdfast/snapshot"
)

// dump needs Linux: descriptors for every step of a path, its times and its attributes.
// Check and the readers work everywhere.
func (s *Source) dump(context.Context, snapshot.Dump) error {
	return fmt.Errorf("reading a tree of files on this system: %w", errors.ErrUnsupported)
}
