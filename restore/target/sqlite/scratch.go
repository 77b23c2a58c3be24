package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/restore"
)

// A scratch is the file that a database is restored into before it has its name.
type scratch struct {
	*os.File
	name string // "" while it has none; after replace, that of the old file
}

// newScratch makes a scratch in the folder of path, mode 0600.
func newScratch(path string) (*scratch, error) {
	f, err := openNameless(filepath.Dir(path))
	if err == nil {
		return &scratch{File: f}, nil
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	f, err = os.CreateTemp(filepath.Dir(path), hidden(path)) // 0600
	if err != nil {
		return nil, err
	}
	return &scratch{File: f, name: f.Name()}, nil
}

// hidden is the pattern of the names a scratch may have for a while.
func hidden(path string) string { return "." + filepath.Base(path) + ".restoring-*" }

// take gives the scratch the name path, which nothing may have, and makes that durable.
func (s *scratch) take(path string) error {
	err := s.link(path)
	if errors.Is(err, fs.ErrExist) { // someone else took the name since Preflight
		return fmt.Errorf("%s exists: %w", path, restore.ErrOccupied)
	}
	if err != nil {
		return err
	}
	if err := syncFolder(path); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// replace gives the scratch the name path in place of the file that has it, and makes that
// durable. Only a rename does so at once, and only a file with a name can be renamed. The old
// file has a name in the scratch's stead until discard: should making it durable fail, the
// old one takes its place again.
func (s *scratch) replace(path string) error {
	if s.name == "" {
		name, err := freeName(path)
		if err != nil {
			return err
		}
		if err := linkNameless(s.File, name); err != nil {
			return err
		}
		s.name = name
	}
	old, err := freeName(path)
	if err != nil {
		return err
	}
	if err := os.Link(path, old); err != nil {
		return err
	}
	if err := os.Rename(s.name, path); err != nil {
		return errors.Join(err, os.Remove(old))
	}
	s.name = ""
	if err := syncFolder(path); err != nil {
		return errors.Join(err, os.Rename(old, path))
	}
	s.name = old
	return nil
}

// discard closes the scratch, and with it removes what has no name of its own.
func (s *scratch) discard() error {
	return errors.Join(s.forget(), s.Close())
}

func (s *scratch) link(path string) error {
	if s.name == "" {
		return linkNameless(s.File, path)
	}
	return os.Link(s.name, path)
}

// forget removes the scratch's own name, or that of the file that it replaced.
func (s *scratch) forget() error {
	if s.name == "" {
		return nil
	}
	name := s.name
	s.name = ""
	return os.Remove(name)
}

// freeName finds a hidden name beside path that nothing has.
func freeName(path string) (string, error) {
	for range 100 {
		f, err := os.CreateTemp(filepath.Dir(path), hidden(path))
		if err != nil {
			return "", err
		}
		name := f.Name()
		if err := errors.Join(f.Close(), os.Remove(name)); err != nil {
			return "", err
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("finding a free name beside %s: %w", path, fs.ErrExist)
}

// syncFolder makes names in the folder of path durable.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(syncDir(d), d.Close())
}

// syncDir is a variable so that a test can be a disk that fails.
var syncDir = (*os.File).Sync
