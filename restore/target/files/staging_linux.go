package files

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A staging is a folder beside the target, for its owner only. In it are a lock, held by
// the living process that works there, the tree, and perhaps what the tree replaced.
type staging struct {
	path     string // of the target
	base     string // its name in parent
	parent   int
	name     string // of the staging folder in parent
	fd       int
	lock     int
	rootMode *uint32
}

const (
	lockName = "lock"
	oldName  = "old"
)

// stagingPrefix begins the names of all staging folders for one target.
func stagingPrefix(base string) string {
	sum := sha256.Sum256([]byte(base))
	return ".holdfast-" + hex.EncodeToString(sum[:8]) + "-"
}

func newStaging(path string) (*staging, error) {
	s := &staging{path: path, base: filepath.Base(path), parent: -1, fd: -1, lock: -1}
	if err := s.create(); err != nil {
		_, removeErr := s.remove()
		return nil, errors.Join(fmt.Errorf("making a staging folder beside it: %w", err), removeErr)
	}
	return s, nil
}

func (s *staging) create() (err error) {
	s.parent, err = unix.Open(filepath.Dir(s.path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	name := stagingPrefix(s.base) + hex.EncodeToString(b[:])
	if err := unix.Mkdirat(s.parent, name, 0o700); err != nil {
		return err
	}
	s.name = name
	if s.fd, err = openDir(s.parent, name); err != nil {
		return err
	}
	if err := s.disinherit(); err != nil {
		return err
	}
	s.lock, err = unix.Openat(s.fd, lockName, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return unix.Flock(s.lock, unix.LOCK_EX|unix.LOCK_NB)
}

// disinherit takes off what the folder got from its parent, which would else pass to
// every entry made in it.
func (s *staging) disinherit() error {
	for _, acl := range []string{"system.posix_acl_default", "system.posix_acl_access"} {
		err := unix.Fremovexattr(s.fd, acl)
		if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
			return err
		}
	}
	return unix.Fchmod(s.fd, 0o700)
}

// remove removes the staging folder with all in it and gives back what s holds. It
// returns the folder's path, for when it could not be removed.
func (s *staging) remove() (path string, err error) {
	path = filepath.Join(filepath.Dir(s.path), s.name)
	if s.name != "" {
		err = removeAll(link(s.parent, s.name))
	}
	for _, fd := range []int{s.lock, s.fd, s.parent} {
		if fd >= 0 {
			err = errors.Join(err, unix.Close(fd))
		}
	}
	if err != nil {
		err = fmt.Errorf("removing the staging folder: %w", err)
	}
	return path, err
}

// removeAll removes a tree, also one whose directories forbid it to their owner.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := unlock(root, "."); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// unlock makes the directories below dir writable. The mode is changed before the listing,
// which fs.WalkDir would do the other way round.
func unlock(root *os.Root, dir string) error {
	if err := root.Chmod(dir, 0o700); err != nil {
		return err
	}
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := unlock(root, filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func isEmpty(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	if err == io.EOF {
		return true, nil
	}
	return false, err
}
