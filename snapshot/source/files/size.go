package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Size implements snapshot.Sized: about how many bytes a dump has. It is asked once an epoch, so
// walking the tree for it costs little. Excluded files count too, and what vanishes does not.
func (s *Source) Size(ctx context.Context) (int64, error) {
	root, err := filepath.EvalSymlinks(s.Path)
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", s.Path, err)
	}
	var n int64
	err = filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n += 1024 // about what an entry takes in both streams
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", s.Path, err)
	}
	return n, nil
}
