package auditlog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/restore"
)

// A staging is a folder beside the target, for its owner only. In it are a lock, held by the
// living process that works there, the restored folder, and perhaps what that replaced.
type staging struct {
	path   string // of the target
	dir    string
	parent *os.File
	lock   *os.File
}

func (s *staging) tree() string { return filepath.Join(s.dir, "tree") }
func (s *staging) old() string  { return filepath.Join(s.dir, "old") }

// stagingPrefix begins the names of all staging folders for one target.
func stagingPrefix(path string) string {
	sum := sha256.Sum256([]byte(filepath.Base(path)))
	return ".holdfast-" + hex.EncodeToString(sum[:8]) + "-"
}

func newStaging(path string) (*staging, error) {
	s := &staging{path: path}
	if err := s.create(); err != nil {
		return nil, errors.Join(fmt.Errorf("making a staging folder beside it: %w", err), s.remove())
	}
	return s, nil
}

func (s *staging) create() (err error) {
	if s.parent, err = os.Open(filepath.Dir(s.path)); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp(filepath.Dir(s.path), stagingPrefix(s.path)); err != nil {
		return err
	}
	if s.lock, err = os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	return os.Mkdir(s.tree(), 0o700)
}

// remove removes the staging folder with all in it and gives back what s holds.
func (s *staging) remove() error {
	var errs []error
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	for _, f := range []*os.File{s.lock, s.parent} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing the staging folder: %w", err)
	}
	return nil
}

// sweep removes what killed restores to path left, and puts back what one had moved aside. A
// rehearsal only finds out. The notes say what was done, or would be.
func sweep(path string, rehearse bool) (notes []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the preflight says so better
	}
	if err != nil {
		return nil, fmt.Errorf("looking for what a killed restore left: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), stagingPrefix(path)) {
			continue
		}
		note, err := sweepOne(path, filepath.Join(filepath.Dir(path), e.Name()), rehearse)
		if err != nil {
			return nil, fmt.Errorf("removing what a killed restore left: %w", err)
		}
		notes = append(notes, note...)
	}
	return notes, nil
}

// sweepOne sweeps one staging folder, unless its process is alive: that holds the lock.
func sweepOne(path, dir string, rehearse bool) (notes []string, err error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, sweepUnlocked(dir, rehearse)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	old := filepath.Join(dir, "old")
	orphan := exists(old) && !exists(path)
	switch {
	case rehearse && orphan:
		return nil, fmt.Errorf("%s was moved aside into %s, and a restore will put it back: %w", path, dir, restore.ErrOccupied)
	case rehearse:
		return []string{dir + " was left by a killed restore; a restore will remove it"}, nil
	case orphan:
		if err := os.Rename(old, path); err != nil {
			return nil, err
		}
		notes = append(notes, "put back what a killed restore had moved aside")
	}
	return append(notes, "removed "+dir+", which a killed restore had left"), os.RemoveAll(dir)
}

// sweepUnlocked removes a folder without a lock unless it is so young that its process may be
// about to make one.
func sweepUnlocked(dir string, rehearse bool) error {
	info, err := os.Lstat(dir)
	if err != nil || rehearse || time.Since(info.ModTime()) < time.Minute {
		return err
	}
	return os.RemoveAll(dir)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// syncFolder makes the names in a folder durable.
func syncFolder(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, unix.EINVAL) { // of file systems that cannot
		err = nil
	}
	return errors.Join(err, f.Close())
}
