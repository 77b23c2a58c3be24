package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A scratch is the file that a database is restored into before it has its name.
type scratch struct {
	*os.File
	name string // "" while it has none
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

// take gives the scratch the name path, which nothing may have.
func (s *scratch) take(path string) error {
	if s.name == "" {
		return linkNameless(s.File, path)
	}
	if err := os.Link(s.name, path); err != nil {
		return err
	}
	return s.forget()
}

// replace gives the scratch the name path in place of the file that has it. Only a rename
// does so at once, and only a file with a name can be renamed.
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
	if err := os.Rename(s.name, path); err != nil {
		return err
	}
	s.name = ""
	return nil
}

// discard closes the scratch, and with it removes what has no name of its own.
func (s *scratch) discard() error {
	return errors.Join(s.forget(), s.Close())
}

// forget removes the scratch's own name.
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
	return errors.Join(d.Sync(), d.Close())
}
