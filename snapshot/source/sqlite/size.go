package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"holdfast/snapshot"
)

var _ snapshot.Sized = (*Source)(nil)

// Size implements snapshot.Sized. What is only in the WAL may grow the file or replace pages of
// it; counting it whole is near enough.
func (s *Source) Size(context.Context) (int64, error) {
	info, err := os.Stat(s.Path)
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", s.Path, err)
	}
	wal, err := os.Stat(s.Path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return info.Size(), nil
	}
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", s.Path, err)
	}
	return info.Size() + wal.Size(), nil
}
