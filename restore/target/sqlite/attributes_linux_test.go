package sqlite

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReplacedDatabaseKeepsItsModeAndOwner(t *testing.T) {
	for _, mode := range []os.FileMode{0o660, 0o644, 0o600, 0o440} {
		path := filepath.Join(t.TempDir(), "v.db")
		database(t, path)
		uid, gid := os.Getuid(), os.Getgid()
		if uid == 0 {
			uid, gid = 1234, 2345
			if err := os.Chown(path, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if mode&0o200 == 0 && os.Getuid() != 0 {
			continue // SQLite cannot take over what this user cannot write to
		}
		if err := place(t, &Target{Replace: true}, path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if info.Mode() != mode || int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("mode %v, owner %d:%d; want %v, %d:%d", info.Mode(), st.Uid, st.Gid, mode, uid, gid)
		}
	}
}

// An access list in the form of the kernel: owner rw, user 4321 r, group none, mask r, others none.
var list = []byte("\x02\x00\x00\x00" +
	"\x01\x00\x06\x00\xff\xff\xff\xff" +
	"\x02\x00\x04\x00\xe1\x10\x00\x00" +
	"\x04\x00\x00\x00\xff\xff\xff\xff" +
	"\x10\x00\x04\x00\xff\xff\xff\xff" +
	"\x20\x00\x00\x00\xff\xff\xff\xff")

func TestReplacedDatabaseKeepsItsAccessList(t *testing.T) {
	path := filepath.Join(aclFolder(t), "v.db")
	database(t, path)
	if err := unix.Setxattr(path, accessACL, list, 0); err != nil {
		t.Fatal(err)
	}
	if err := place(t, &Target{Replace: true}, path); err != nil {
		t.Fatal(err)
	}
	if got, err := readACL(path); err != nil || !bytes.Equal(got, list) {
		t.Errorf("%x, %v", got, err)
	}
}

// What a folder passes on to new files is nothing that the old database had.
func TestReplacedDatabaseGetsNoAccessListOfItsFolder(t *testing.T) {
	dir := aclFolder(t)
	path := filepath.Join(dir, "v.db")
	database(t, path)
	if err := os.Chmod(path, 0o660); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(dir, "system.posix_acl_default", list, 0); err != nil {
		t.Fatal(err)
	}
	if err := place(t, &Target{Replace: true}, path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readACL(path); err != nil || got != nil || info.Mode() != 0o660 {
		t.Errorf("%x, %v, %v", got, err, info.Mode())
	}
}

// aclFolder is a temporary folder whose file system has access lists.
func aclFolder(t *testing.T) string {
	t.Helper()
	for _, base := range []string{"", "/var/tmp", "/dev/shm"} {
		dir, err := os.MkdirTemp(base, "holdfast-acl-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if unix.Setxattr(dir, accessACL, list, 0) == nil {
			if err := unix.Removexattr(dir, accessACL); err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no file system here has access lists")
	}
	t.Skip("no file system here has access lists")
	return ""
}

// Rights that were a group's do not pass to another group.
func TestRightsOfAGroupThatCannotBeKeptAreDropped(t *testing.T) {
	if os.Getuid() != 0 {
		return // only root can make a file of others to begin with
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "v.db")
	database(t, path)
	if err := os.Chown(path, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	old, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := newScratch(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var notes []string
	withoutChown(t, func() { notes = keepAttributes(f.File, path, old) })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o604 || len(notes) != 1 || !strings.Contains(notes[0], "owner 1234:2345") {
		t.Errorf("mode %v, notes %q", info.Mode(), notes)
	}
}

// withoutChown runs f without the privilege to give files away, on a thread that ends with it.
func withoutChown(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread must not be used again
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&head, &caps[0]); err != nil {
			t.Error(err)
			return
		}
		caps[0].Effective &^= 1 << unix.CAP_CHOWN
		if err := unix.Capset(&head, &caps[0]); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}
