package files

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// XAttrs reads the extended attributes of name in the open directory dir, without following
// it if it is a symlink. POSIX ACLs and file capabilities are among them.
func XAttrs(dir int, name string) (map[string][]byte, error) {
	// There is no listxattrat in older kernels. Through /proc, only the last name is
	// looked up, inside the directory that is open.
	path := fmt.Sprintf("/proc/self/fd/%d/%s", dir, name)
	list, err := grow(func(b []byte) (int, error) { return unix.Llistxattr(path, b) })
	if errors.Is(err, unix.ENOTSUP) || err == nil && len(list) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	attrs := map[string][]byte{}
	for key := range bytes.SplitSeq(bytes.TrimSuffix(list, []byte{0}), []byte{0}) {
		if !utf8.Valid(key) {
			return nil, fmt.Errorf("an attribute's name %q is not UTF-8", key)
		}
		value, err := grow(func(b []byte) (int, error) { return unix.Lgetxattr(path, string(key), b) })
		if errors.Is(err, unix.ENODATA) {
			continue // removed since the listing; the times of the entry tell
		}
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", key, err)
		}
		attrs[string(key)] = value
	}
	if size := xattrsSize(attrs); size > maxXAttrs {
		return nil, fmt.Errorf("%d bytes of extended attributes, more than %d", size, maxXAttrs)
	}
	return attrs, nil
}

// grow calls read with a buffer that is large enough. Most entries have no attribute, so
// the first try is small.
func grow(read func([]byte) (int, error)) ([]byte, error) {
	buf := make([]byte, 256)
	for {
		n, err := read(buf)
		switch {
		case err == nil:
			return buf[:n], nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ERANGE) && len(buf) < 128<<10:
			buf = make([]byte, 16*len(buf))
		default:
			return nil, err
		}
	}
}
