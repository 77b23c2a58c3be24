package dir

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// publish puts a staged file under key with place, and returns when that will survive a
// crash. Another process may remove a folder, empty until now, in between: then again.
func (s *Store) publish(key string, place func() error) error {
	folder := path.Dir(key)
	for try := 0; ; try++ {
		err := s.makeFolder(folder)
		if err == nil {
			err = place()
		}
		if errors.Is(err, fs.ErrNotExist) && try < 10 && !s.gone() {
			s.folders.forget(folder)
			continue
		}
		if err != nil {
			return err
		}
		return s.syncFolder(folder)
	}
}

// makeFolder makes folder and those above it, each one durable. A folder that was there
// before this process may have been made by one that is still to sync it, so each is
// synced once by each process.
func (s *Store) makeFolder(folder string) error {
	if folder == "." || s.folders.has(folder) {
		return nil
	}
	parent := path.Dir(folder)
	if err := s.makeFolder(parent); err != nil {
		return err
	}
	if err := s.root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := s.syncFolder(parent); err != nil {
		return err
	}
	s.folders.add(folder)
	return nil
}

// removeEmpty removes folder and those above it as far as they are empty.
func (s *Store) removeEmpty(folder string) {
	for ; folder != "."; folder = path.Dir(folder) {
		s.folders.forget(folder)
		if s.root.Remove(folder) != nil {
			return
		}
	}
}

func (s *Store) syncFolder(name string) error {
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	return syncAndClose(f)
}

func syncPath(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return syncAndClose(f)
}

func syncAndClose(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		err = nil // some network file systems sync no folders, their servers do
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// folders remembers which folders this process made durable.
type folders struct {
	mu    sync.Mutex
	known map[string]bool
}

func (f *folders) has(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[name]
}

func (f *folders) add(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil {
		f.known = map[string]bool{}
	}
	f.known[name] = true
}

// forget forgets name, and every folder above it that may have gone with it.
func (f *folders) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for known := range f.known {
		if known == name || strings.HasPrefix(name, known+"/") || strings.HasPrefix(known, name+"/") {
			delete(f.known, known)
		}
	}
}
