package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const accessACL = "system.posix_acl_access"

// keepAttributes gives f the owner, access list and mode of the file at path, which it
// replaces, in this order: a change of owner or list changes the mode. What this process may
// not set is noted, and nobody gets rights by it that they did not have.
func keepAttributes(f *os.File, path string, old fs.FileInfo) (notes []string) {
	mode := old.Mode().Perm()
	list, err := readACL(path)
	if err != nil {
		notes = append(notes, fmt.Sprintf("the access list of the old database could not be read: %v", err))
		mode &^= 0o070 // with a list, these bits are its mask and not the group's rights
	}
	if note, sameGroup := keepOwner(f, old); note != "" {
		notes = append(notes, note)
		if !sameGroup || list != nil {
			mode &^= 0o070 // they were meant for others
		}
		list = nil
	}
	if err := setACL(f, list); err != nil {
		return append(notes, fmt.Sprintf("the access list and mode of the old database could not be kept: %v", err))
	}
	if err := f.Chmod(mode); err != nil {
		notes = append(notes, fmt.Sprintf("the mode %04o of the old database could not be kept: %v", mode, err))
	}
	return notes
}

// keepOwner gives f the owner of the old file, or at least its group. The note says what
// this process may not.
func keepOwner(f *os.File, old fs.FileInfo) (note string, sameGroup bool) {
	want, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return "the owner of the old database is not known", false
	}
	uid, gid := int(want.Uid), int(want.Gid)
	err := f.Chown(uid, gid) // also without the privilege if it is the owner already
	if err == nil {
		return "", true
	}
	return fmt.Sprintf("the owner %d:%d of the old database could not be kept: %v", uid, gid, err), f.Chown(-1, gid) == nil
}

// readACL returns the access list of the file at path, nil if its mode says it all.
func readACL(path string) ([]byte, error) {
	buf := make([]byte, 64<<10) // the kernel's limit
	n, err := unix.Lgetxattr(path, accessACL, buf)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// setACL sets an access list, or takes off what f has from the folder's default.
func setACL(f *os.File, list []byte) error {
	if list != nil {
		return unix.Fsetxattr(int(f.Fd()), accessACL, list, 0)
	}
	err := unix.Fremovexattr(int(f.Fd()), accessACL)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}
