package sqlite

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// openNameless opens a file in dir that has no name and vanishes when it is closed. The error
// matches errors.ErrUnsupported where the file system or the kernel has no such thing.
func openNameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == unix.EISDIR || err == unix.ENOENT { // what old kernels say
		err = unix.EOPNOTSUPP
	}
	if err != nil {
		return nil, &fs.PathError{Op: "making a file in", Path: dir, Err: err}
	}
	f := os.NewFile(uintptr(fd), dir+"/(no name)")
	if _, err := os.Lstat(descriptor(f)); err != nil { // no /proc: it could not be given a name
		return nil, errors.Join(errors.ErrUnsupported, f.Close())
	}
	return f, nil
}

// linkNameless gives a nameless file a name that nothing has.
func linkNameless(f *os.File, path string) error {
	err := unix.Linkat(unix.AT_FDCWD, descriptor(f), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.LinkError{Op: "link", Old: f.Name(), New: path, Err: err}
	}
	return nil
}

func descriptor(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// forgetCache drops f from the page cache, so that reading it back reads the disk.
func forgetCache(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // an advice: what is read back is checked either way
}

func writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}

func freeSpace(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// Where SQLite's locks lie in a database file: one byte each for the pending and reserved
// locks, 510 for the shared ones.
const lockAt, lockLen = 1 << 30, 2 + 510

// inUse asks, without taking any, whether someone holds a lock on the database at path.
// In WAL mode every open connection does, otherwise every one that reads or writes.
func inUse(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: lockAt, Len: lockLen}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK, errors.Join(err, f.Close())
}
