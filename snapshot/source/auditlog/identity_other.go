//go:build !linux

package auditlog

import "io/fs"

// identify knows nothing here that would prove a file unchanged: every file is read.
func identify(fs.FileInfo) (Identity, bool) { return Identity{}, false }
