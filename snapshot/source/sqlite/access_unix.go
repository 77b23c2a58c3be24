//go:build unix

package sqlite

import "golang.org/x/sys/unix"

// readable reports why this process may not read path, or nil.
func readable(path string) error {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS)
}
