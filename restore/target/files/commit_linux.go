package files

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"holdfast/restore"
)

// renameat2 is a variable so that a test can be a file system without its flags.
var renameat2 = unix.Renameat2

// commit puts the tree into place in one step: if nothing is there by a rename, else by an
// exchange that leaves what was there in the staging folder. replace says whether that
// may have been more than an empty folder. On error everything is back where it was.
func (s *staging) commit(replace bool) error {
	undo, err := s.swap(replace)
	if err != nil {
		return fmt.Errorf("moving the tree into place: %w", err)
	}
	if err := s.settle(); err != nil {
		return errors.Join(fmt.Errorf("settling the tree in its place: %w", err), undo())
	}
	return nil
}

// settle makes the move durable.
func (s *staging) settle() error {
	if s.rootMode != nil {
		if err := unix.Fchmodat(s.parent, s.base, *s.rootMode, 0); err != nil {
			return err
		}
	}
	if err := unix.Fsync(s.parent); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

func (s *staging) swap(replace bool) (undo func() error, err error) {
	err = renameat2(s.fd, treeName, s.parent, s.base, unix.RENAME_NOREPLACE)
	if err == nil {
		return func() error { return unix.Renameat(s.parent, s.base, s.fd, treeName) }, nil
	}
	if lacksFlag(err) {
		return s.aside(replace)
	}
	if !errors.Is(err, unix.EEXIST) {
		return nil, err
	}
	exchange := func() error {
		return renameat2(s.fd, treeName, s.parent, s.base, unix.RENAME_EXCHANGE)
	}
	if err := exchange(); lacksFlag(err) {
		return s.aside(replace)
	} else if err != nil {
		return nil, err
	}
	// Looking now, and not before, leaves no moment in which something could come in.
	if err := s.mayGo(treeName, replace); err != nil {
		return nil, errors.Join(err, exchange())
	}
	return exchange, nil
}

// aside is for file systems without the flags of renameat2, such as some on a network. For
// a moment there is nothing at the target. Should the process die then, sweep puts
// back what was there.
func (s *staging) aside(replace bool) (undo func() error, err error) {
	back := func() error { return unix.Renameat(s.fd, oldName, s.parent, s.base) }
	err = unix.Renameat(s.parent, s.base, s.fd, oldName)
	if errors.Is(err, unix.ENOENT) {
		back = func() error { return nil }
	} else if err != nil {
		return nil, err
	} else if err := s.mayGo(oldName, replace); err != nil {
		return nil, errors.Join(err, back())
	}
	if err := unix.Renameat(s.fd, treeName, s.parent, s.base); err != nil {
		return nil, errors.Join(err, back())
	}
	return func() error {
		return errors.Join(unix.Renameat(s.parent, s.base, s.fd, treeName), back())
	}, nil
}

// mayGo decides about what was at the target and is now under name in the staging folder.
func (s *staging) mayGo(name string, replace bool) error {
	if replace {
		return nil
	}
	fd, err := openDir(s.fd, name)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return restore.ErrOccupied
	}
	if err != nil {
		return err
	}
	n, err := countNames(fd)
	if err == nil && n > 0 {
		err = restore.ErrOccupied
	}
	return errors.Join(err, unix.Close(fd))
}

// lacksFlag reports whether the file system knows no flags of renameat2.
func lacksFlag(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS)
}
