//go:build !linux

package sqlite_test

import (
	"os"
	"testing"
)

// asNobody runs f, unless this is root, whose power over files cannot be laid down here.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	f()
}
