package filestest

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// OddTree makes a tree with one of everything and returns its path.
func OddTree(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	must(t, os.Mkdir(dir, 0o750))
	write := func(name, data string) {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o640))
	}
	write("plain", "plain\n")
	write("empty", "")
	write("a/b", "in a directory")
	write("a-b", "a name that sorts between a and a/b by bytes")
	write("-rf", "leading dash")
	write("trailing ", "trailing space")
	write("new\nline", "newline")
	write("quo\"te\\back", "quotes")
	write("=equals%percent", "equals")
	write("grün", "UTF-8")
	write("broken-\xff\xfe-utf8/\xc3\x28", "not UTF-8")
	write(strings.Repeat("l", 255), "long name")
	write(strings.Repeat("deep-directory/", 40)+"leaf", "a path of more than 500 bytes")
	write("large", strings.Repeat("0123456789abcdef", 3<<16))
	write("setuid", "setuid")
	write("nothing-allowed", "mode 0")
	write("linked", "linked")
	must(t, os.Mkdir(filepath.Join(dir, "empty-dir"), 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "no-x"), 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "sticky"), 0o755))
	must(t, os.Symlink("../outside", filepath.Join(dir, "dangling")))
	must(t, os.Symlink("plain", filepath.Join(dir, "to-plain")))
	must(t, os.Symlink("/etc/\xff", filepath.Join(dir, "to-odd")))
	must(t, os.Link(filepath.Join(dir, "linked"), filepath.Join(dir, "a", "linked-too")))
	must(t, os.Link(filepath.Join(dir, "linked"), filepath.Join(dir, "zz-linked")))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	SparseFile(t, filepath.Join(dir, "sparse"), 8<<20)
	xattr(t, filepath.Join(dir, "plain"), "user.note", "a\x00b=\xff\n")
	xattr(t, filepath.Join(dir, "plain"), "user.odd=%3D%", "escaped")
	xattr(t, filepath.Join(dir, "a"), "user.dir", "on a directory")
	if os.Geteuid() == 0 {
		must(t, unix.Mknod(filepath.Join(dir, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		must(t, os.Lchown(filepath.Join(dir, "a/b"), 12345, 54321))
		must(t, os.Lchown(filepath.Join(dir, "dangling"), 1, 1))
		xattr(t, filepath.Join(dir, "setuid"), "security.capability",
			"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	}
	acl(t, filepath.Join(dir, "a"))
	must(t, os.Chmod(filepath.Join(dir, "setuid"), 0o755|fs.ModeSetuid))
	must(t, os.Chmod(filepath.Join(dir, "sticky"), 0o777|fs.ModeSticky|fs.ModeSetgid))
	if os.Geteuid() == 0 {
		must(t, os.Chmod(filepath.Join(dir, "nothing-allowed"), 0))
		must(t, os.Chmod(filepath.Join(dir, "no-x"), 0o600))
	}
	for name, at := range map[string]time.Time{
		"plain": time.Unix(1700000000, 123456789), "empty": time.Unix(-5, 250000000),
		"a": time.Unix(1600000000, 1), "empty-dir": time.Unix(5000000000, 0), "to-plain": time.Unix(1500000000, 7),
	} {
		times := []unix.Timespec{unix.NsecToTimespec(0), {Sec: at.Unix(), Nsec: int64(at.Nanosecond())}}
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(dir, name), times, unix.AT_SYMLINK_NOFOLLOW))
	}
	return dir
}

// SparseFile has four bytes of data in the middle and is else one hole.
func SparseFile(t testing.TB, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	_, err = f.WriteAt([]byte("data"), size/2+100)
	must(t, err)
	must(t, f.Truncate(size))
	must(t, f.Close())
}

func xattr(t testing.TB, path, key, value string) {
	t.Helper()
	must(t, unix.Lsetxattr(path, key, []byte(value), 0))
}

// acl gives user 77 and a default ACL rights on a directory, in the kernel's own format.
func acl(t testing.TB, path string) {
	t.Helper()
	none := "\xff\xff\xff\xff"
	list := "\x02\x00\x00\x00" + "\x01\x00\x07\x00" + none + "\x02\x00\x05\x00" + "\x4d\x00\x00\x00" +
		"\x04\x00\x05\x00" + none + "\x10\x00\x05\x00" + none + "\x20\x00\x00\x00" + none
	xattr(t, path, "system.posix_acl_access", list)
	xattr(t, path, "system.posix_acl_default", list)
}

// Describe lists a tree with every attribute that a restore must bring back.
func Describe(t testing.TB, dir string) map[string]string {
	t.Helper()
	all, names := map[string]string{}, map[uint64]string{}
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		must(t, err)
		all[rel] = describeOne(t, path, names, rel)
		return nil
	}))
	return all
}

func describeOne(t testing.TB, path string, names map[uint64]string, rel string) string {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(path, &st))
	text := fmt.Sprintf("%o %d:%d %d.%09d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		data, err := os.ReadFile(path)
		must(t, err)
		text += fmt.Sprintf(" %d bytes %x", st.Size, sha256.Sum256(data))
		if st.Nlink > 1 {
			if names[st.Ino] == "" {
				names[st.Ino] = rel
			}
			text += " same as " + names[st.Ino]
		}
	case unix.S_IFLNK:
		to, err := os.Readlink(path)
		must(t, err)
		text += " -> " + to
	case unix.S_IFCHR, unix.S_IFBLK:
		text += fmt.Sprintf(" device %d", st.Rdev)
	}
	return text + xattrs(t, path)
}

func xattrs(t testing.TB, path string) string {
	t.Helper()
	list := make([]byte, 4096)
	n, err := unix.Llistxattr(path, list)
	must(t, err)
	names := strings.Split(string(list[:n]), "\x00")
	slices.Sort(names)
	text := ""
	for _, name := range names[1:] { // the first is what follows the last NUL
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, name, value)
		must(t, err)
		text += fmt.Sprintf(" %q=%q", name, value[:n])
	}
	return text
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// AsNobody runs f on a thread that has lost root's file rights. A thread that cannot get
// them back is left locked, which ends it.
func AsNobody(t testing.TB, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		must(t, unix.Setfsgid(65534))
		must(t, unix.Setfsuid(65534))
		f()
		must(t, unix.Setfsuid(0))
		must(t, unix.Setfsgid(0))
		runtime.UnlockOSThread()
	}()
	<-done
}
