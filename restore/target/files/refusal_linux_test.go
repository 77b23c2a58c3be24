package files

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"holdfast/restore"
	"holdfast/snapshot/source/files"
	"holdfast/snapshot/source/files/filestest"
)

func TestPreflightTellsEveryProblemAtOnce(t *testing.T) {
	d := store(t, filestest.OddTree(t))
	var f files.Facts
	f.Root, f.Space, f.Entries = "dir", 1<<60, 1<<40
	d.rec.Streams[files.TreeStream].Facts = []byte(fmt.Sprintf(`{"root":"dir","space":%d,"entries":%d,"devices":1}`, f.Space, f.Entries))
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	writeTree(t, dir, map[string]string{"full/x": "x"})
	filestest.AsNobody(t, func() {
		err := (&Target{Path: filepath.Join(dir, "full")}).Preflight(t.Context(), d)
		for _, want := range []error{restore.ErrOccupied, unix.EACCES, unix.ENOSPC} {
			if os.Geteuid() != 0 && want == unix.EACCES {
				continue // the folder is the tester's own
			}
			if !errors.Is(err, want) {
				t.Errorf("%v is not in: %v", want, err)
			}
		}
		if err == nil || !strings.Contains(err.Error(), "CAP_MKNOD") {
			t.Errorf("devices are not in: %v", err)
		}
	})
	err := (&Target{Path: filepath.Join(dir, "no/such/folder")}).Preflight(t.Context(), d)
	if err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("missing folder: %v", err)
	}
}

func TestOwnersThatCannotBeSetAreToldAndRunNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making files of other owners takes root, which CI has")
	}
	source := filepath.Join(t.TempDir(), "tree")
	writeTree(t, source, map[string]string{"theirs": "x", "sealed/inside": "y"})
	must(t, os.Chown(filepath.Join(source, "theirs"), 1234, 1234))
	must(t, os.Chmod(filepath.Join(source, "theirs"), 0o755|os.ModeSetuid))
	must(t, os.Chmod(filepath.Join(source, "sealed"), 0o500))
	must(t, os.Chmod(source, 0o555))
	d := store(t, source)
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o777))
	to := filepath.Join(dir, "to")
	filestest.AsNobody(t, func() {
		loaded, err := (&Target{Path: to}).Load(t.Context(), d)
		if err != nil {
			t.Error(err)
			return
		}
		if len(loaded.Notes) != 2 || !strings.Contains(loaded.Notes[0]+loaded.Notes[1], "owners could not be set") {
			t.Errorf("notes %q", loaded.Notes)
		}
		if _, err := (&Target{Path: filepath.Join(dir, "rehearsed"), Rehearse: true}).Load(t.Context(), d); err != nil {
			t.Errorf("rehearsal: %v", err)
		}
		if _, err := (&Target{Path: to, Replace: true}).Load(t.Context(), d); !errors.Is(err, unix.EACCES) {
			t.Errorf("replacing a tree that may not be moved: %v", err)
		}
	})
	noStaging(t, to)
	var st, root unix.Stat_t
	must(t, unix.Stat(filepath.Join(to, "theirs"), &st))
	must(t, unix.Stat(to, &root))
	if st.Uid != 65534 || st.Mode&0o7777 != 0o755 || root.Mode&0o7777 != 0o555 {
		t.Errorf("owner %d, mode %o, root's mode %o", st.Uid, st.Mode, root.Mode)
	}
	must(t, os.Chmod(to, 0o755))
}

func TestOwnersAreFoundByNameUnlessNumeric(t *testing.T) {
	o := newOwners(false)
	e := files.Entry{Owner: "daemon", UID: 4242, Group: "no-such-group-here", GID: 4343}
	if uid, gid := o.user(&e), o.group(&e); uid != 1 || gid != 4343 {
		t.Errorf("by name %d:%d", uid, gid)
	}
	n := newOwners(true)
	if uid, gid := n.user(&e), n.group(&e); uid != 4242 || gid != 4343 {
		t.Errorf("by number %d:%d", uid, gid)
	}
}

func TestFullDiskLeavesTheTargetAsItWas(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("mounting takes root: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	source := t.TempDir()
	writeTree(t, source, map[string]string{"a": "fits", "b": strings.Repeat("does not fit", 200_000)})
	d := store(t, source)
	to := filepath.Join(dir, "to")
	writeTree(t, to, map[string]string{"precious": "precious"})
	before := filestest.Describe(t, to)
	target := Target{Path: to, Replace: true}
	if err := target.Preflight(t.Context(), d); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Preflight: %v", err)
	}
	if _, err := target.Load(t.Context(), d); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Load: %v", err)
	}
	if diff := cmp.Diff(before, filestest.Describe(t, to)); diff != "" {
		t.Error(diff)
	}
	noStaging(t, to)
	if err := (&Target{Path: dir, Replace: true}).Preflight(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("a mount point: %v", err)
	}
}

func TestInheritedACLDoesNotReachTheTree(t *testing.T) {
	dir := t.TempDir()
	none := "\xff\xff\xff\xff"
	acl := "\x02\x00\x00\x00" + "\x01\x00\x07\x00" + none + "\x02\x00\x07\x00" + "\x4d\x00\x00\x00" +
		"\x04\x00\x07\x00" + none + "\x10\x00\x07\x00" + none + "\x20\x00\x07\x00" + none
	if err := unix.Setxattr(dir, "system.posix_acl_default", []byte(acl), 0); err != nil {
		t.Fatal(err)
	}
	source := filestest.OddTree(t)
	to := filepath.Join(dir, "to")
	load(t, Target{Path: to}, store(t, source))
	if diff := cmp.Diff(filestest.Describe(t, source), filestest.Describe(t, to)); diff != "" {
		t.Error(diff)
	}
}

func TestStaleStagingIsSweptAndALivingOneIsNot(t *testing.T) {
	d := store(t, filestest.OddTree(t))
	dir := t.TempDir()
	to := filepath.Join(dir, "to")
	other, err := newStaging(filepath.Join(dir, "other"))
	must(t, err)
	alive, err := newStaging(to)
	must(t, err)
	young := filepath.Join(dir, stagingPrefix("to")+"young")
	aged := filepath.Join(dir, stagingPrefix("to")+"aged")
	dead := filepath.Join(dir, stagingPrefix("to")+"dead")
	for _, stage := range []string{young, aged, dead} {
		writeTree(t, stage, map[string]string{"tree/x": "x"})
	}
	writeTree(t, dead, map[string]string{"lock": "", "old/precious": "precious"})
	must(t, os.Chtimes(aged, time.Time{}, time.Now().Add(-time.Hour)))
	_, err = (&Target{Path: to}).Load(t.Context(), d)
	if !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("Load over what was put back: %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(to, "precious")); err != nil || string(data) != "precious" {
		t.Errorf("what was moved aside: %q, %v", data, err)
	}
	got := map[string]bool{}
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		got[e.Name()] = true
	}
	want := []string{"to", other.name, alive.name, filepath.Base(young)}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Error(diff)
	}
	for _, s := range []*staging{other, alive} {
		if _, err := s.remove(); err != nil {
			t.Error(err)
		}
	}
}
