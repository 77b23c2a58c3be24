package files

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/snapshot"
	"holdfast/snapshot/source/files"
)

var formats = map[files.Kind]uint32{
	files.File: unix.S_IFREG, files.Dir: unix.S_IFDIR, files.Symlink: unix.S_IFLNK,
	files.Fifo: unix.S_IFIFO, files.CharDevice: unix.S_IFCHR, files.BlockDevice: unix.S_IFBLK,
}

// proveData reads the file back and compares it with the digest of the index.
func (b *builder) proveData(fd int, e *files.Entry) error {
	sum := sha256.New()
	size := int64(0)
	for {
		n, err := unix.Pread(fd, b.buf, size)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading it back: %w", err)
		}
		if n == 0 {
			break
		}
		sum.Write(b.buf[:n])
		size += int64(n)
	}
	if size != e.Size || snapshot.Digest(sum.Sum(nil)) != e.SHA256 {
		return fmt.Errorf("reading it back: %d bytes that are not what was written", size)
	}
	return nil
}

// prove looks at what is on disk under name and compares it with e.
func (b *builder) prove(dir int, name string, e *files.Entry) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("looking at it: %w", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != formats[e.Kind]:
		return fmt.Errorf("it is not a %s on disk", e.Kind)
	case e.Kind != files.Symlink && st.Mode&0o7777 != e.Mode:
		return fmt.Errorf("its mode is %#o on disk instead of %#o", st.Mode&0o7777, e.Mode)
	case int(st.Uid) != e.UID || int(st.Gid) != e.GID:
		return fmt.Errorf("its owner is %d:%d on disk instead of %d:%d", st.Uid, st.Gid, e.UID, e.GID)
	case e.Kind == files.File && st.Size != e.Size:
		return fmt.Errorf("it has %d bytes on disk instead of %d", st.Size, e.Size)
	case (e.Kind == files.CharDevice || e.Kind == files.BlockDevice) && st.Rdev != unix.Mkdev(e.Major, e.Minor):
		return fmt.Errorf("it is another device on disk")
	}
	if err := b.proveTime(&st, e); err != nil {
		return err
	}
	if e.Kind == files.Symlink {
		if err := proveTarget(dir, name, e); err != nil {
			return err
		}
	}
	return proveXAttrs(dir, name, e)
}

// proveTime allows for file systems whose times are coarse.
func (b *builder) proveTime(st *unix.Stat_t, e *files.Entry) error {
	got := time.Unix(st.Mtim.Unix())
	if got.Equal(e.MTime) {
		return nil
	}
	if got.Sub(e.MTime).Abs() > 2*time.Second {
		return fmt.Errorf("its time is %s on disk instead of %s", got.UTC(), e.MTime)
	}
	b.notes.add("times are less exact than they were: this file system rounds them")
	return nil
}

func proveTarget(dir int, name string, e *files.Entry) error {
	buf := make([]byte, len(e.Link)+1)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return fmt.Errorf("reading it back: %w", err)
	}
	if string(buf[:n]) != e.Link {
		return fmt.Errorf("it points elsewhere on disk")
	}
	return nil
}

func proveXAttrs(dir int, name string, e *files.Entry) error {
	if len(e.XAttrs) == 0 {
		return nil
	}
	got, err := files.XAttrs(dir, name)
	if err != nil {
		return fmt.Errorf("reading its extended attributes back: %w", err)
	}
	for key, value := range e.XAttrs {
		if !bytes.Equal(got[key], value) {
			return fmt.Errorf("its extended attribute %q is another on disk", key)
		}
	}
	return nil
}

// proveLink compares the two names of one file.
func proveLink(dir1 int, name1 string, dir2 int, name2 string) error {
	var a, b unix.Stat_t
	if err := unix.Fstatat(dir1, name1, &a, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if err := unix.Fstatat(dir2, name2, &b, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if a.Dev != b.Dev || a.Ino != b.Ino || a.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("it is not the same file on disk as its first name")
	}
	return nil
}
