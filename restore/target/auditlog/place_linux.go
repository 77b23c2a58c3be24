package auditlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"holdfast/restore"
)

// placeProblems are what stands in the way at the target itself.
func placeProblems(place string, replace bool) restore.Problems {
	var problems restore.Problems
	parent := filepath.Dir(place)
	switch err := unix.Faccessat(unix.AT_FDCWD, parent, unix.W_OK|unix.X_OK, unix.AT_EACCESS); {
	case errors.Is(err, fs.ErrNotExist):
		return restore.Problems{fmt.Errorf("there is no folder %s", parent)}
	case err != nil:
		problems = append(problems, fmt.Errorf("writing into the folder %s: %w", parent, err))
	}
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, place, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return problems
	case err != nil:
		return append(problems, fmt.Errorf("looking at %s: %w", place, err))
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return append(problems, fmt.Errorf("%s is no folder: %w", place, restore.ErrOccupied))
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return append(problems, fmt.Errorf("%s is a mount point; restore into a folder inside it: %w", place, restore.ErrOccupied))
	case replace:
		return problems
	}
	if err := vacant(place); err != nil {
		problems = append(problems, err)
	}
	return problems
}

// vacant accepts an empty folder.
func vacant(place string) error {
	f, err := os.Open(place)
	if err != nil {
		return fmt.Errorf("looking into %s: %w", place, err)
	}
	_, err = f.Readdirnames(1)
	if err := f.Close(); err != nil {
		return fmt.Errorf("looking into %s: %w", place, err)
	}
	switch err {
	case io.EOF:
		return nil
	case nil:
		return fmt.Errorf("%s holds something: %w", place, restore.ErrOccupied)
	}
	return fmt.Errorf("looking into %s: %w", place, err)
}

func roomProblems(parent string, need int64) restore.Problems {
	var st unix.Statfs_t
	if err := unix.Statfs(parent, &st); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // said already
		}
		return restore.Problems{fmt.Errorf("asking for the room at %s: %w", parent, err)}
	}
	if room := int64(st.Bavail) * st.Bsize; room < need {
		return restore.Problems{fmt.Errorf("%s has room for %d bytes of %d: %w", parent, room, need, unix.ENOSPC)}
	}
	return nil
}

// renameat2 is a variable so that a test can be a file system without its flags.
var renameat2 = unix.Renameat2

// commit puts the folder into place: by a rename if nothing is there, else by an exchange that
// leaves what was there in the staging folder. On error everything is back where it was.
func (s *staging) commit(replace bool) error {
	undo, err := s.swap(replace)
	if err != nil {
		return fmt.Errorf("moving the files into place: %w", err)
	}
	if err := s.parent.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return errors.Join(fmt.Errorf("settling the files in their place: %w", err), undo())
	}
	return nil
}

func (s *staging) swap(replace bool) (undo func() error, err error) {
	at := unix.AT_FDCWD
	err = renameat2(at, s.tree(), at, s.path, unix.RENAME_NOREPLACE)
	if err == nil {
		return func() error { return unix.Rename(s.path, s.tree()) }, nil
	}
	if lacksFlag(err) {
		return s.aside(replace)
	}
	if !errors.Is(err, unix.EEXIST) {
		return nil, err
	}
	exchange := func() error { return renameat2(at, s.tree(), at, s.path, unix.RENAME_EXCHANGE) }
	if err := exchange(); lacksFlag(err) {
		return s.aside(replace)
	} else if err != nil {
		return nil, err
	}
	// Looking now, and not before, leaves no moment in which something could come in.
	if err := mayGo(s.tree(), replace); err != nil {
		return nil, errors.Join(err, exchange())
	}
	return exchange, nil
}

// aside is for file systems without the flags of renameat2. For a moment there is nothing at the
// target; should the process die then, sweep puts back what was there.
func (s *staging) aside(replace bool) (undo func() error, err error) {
	back := func() error { return unix.Rename(s.old(), s.path) }
	err = unix.Rename(s.path, s.old())
	if errors.Is(err, unix.ENOENT) {
		back = func() error { return nil }
	} else if err != nil {
		return nil, err
	} else if err := mayGo(s.old(), replace); err != nil {
		return nil, errors.Join(err, back())
	}
	if err := unix.Rename(s.tree(), s.path); err != nil {
		return nil, errors.Join(err, back())
	}
	return func() error { return errors.Join(unix.Rename(s.path, s.tree()), back()) }, nil
}

// mayGo decides about what was at the target and is now at moved.
func mayGo(moved string, replace bool) error {
	info, err := os.Lstat(moved)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return restore.ErrOccupied
	}
	if replace {
		return nil
	}
	return vacant(moved)
}

// lacksFlag reports whether the file system knows no flags of renameat2.
func lacksFlag(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS)
}
