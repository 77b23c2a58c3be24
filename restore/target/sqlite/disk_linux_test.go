package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/fixtures/vaultc"
	target "holdfast/restore/target/sqlite"
	"holdfast/snapshot"
)

const fullDiskFolder = "HOLDFAST_TEST_FULL_DISK"

// The disk fills up half way through: no space, nothing left. The test runs itself again
// in a namespace of its own, where anyone may mount a small file system.
func TestFullDiskLeavesNothing(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fullDiskFolder+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) && os.Getenv("CI") == "" {
		t.Skip("this kernel lets no user mount a file system of their own")
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// restoreOntoFullDisk is what the test runs in its namespace; it returns the exit status.
func restoreOntoFullDisk() int {
	if err := fillDisk(os.Getenv(fullDiskFolder)); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func fillDisk(dir string) error {
	ctx := context.Background()
	v, err := vaultc.Generate(ctx, filepath.Join(dir, "vault"), vaultc.Options{Secrets: 3000})
	if err != nil {
		return err
	}
	d, err := record(ctx, v.Database)
	if err != nil {
		return err
	}
	small := filepath.Join(dir, "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("small", small, "tmpfs", 0, fmt.Sprintf("size=%d", len(d.content)+1<<20)); err != nil {
		return fmt.Errorf("mounting: %w", err)
	}
	// Room enough at preflight; then someone else writes.
	late := &lateDump{dump: d, before: func() { err = os.WriteFile(filepath.Join(small, "other"), make([]byte, 5<<18), 0o600) }}
	_, loadErr := (&target.Target{Path: filepath.Join(small, "v.db")}).Load(ctx, late)
	if err != nil {
		return err
	}
	if !errors.Is(loadErr, syscall.ENOSPC) || errors.Is(loadErr, snapshot.ErrDamaged) {
		return fmt.Errorf("loading onto a full disk: %v", loadErr)
	}
	entries, err := os.ReadDir(small)
	if err != nil || len(entries) != 1 {
		return fmt.Errorf("left behind: %v, %v", entries, err)
	}
	return nil
}

// A file without a name cannot outlive the process, however it is killed.
func TestNothingHasANameWhileItIsBeingWritten(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 300})
	dir := t.TempDir()
	seen := -1
	late := &lateDump{dump: d, before: func() { seen = len(names(t, dir)) }}
	if _, err := (&target.Target{Path: filepath.Join(dir, "v.db")}).Load(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if seen != 0 {
		t.Errorf("%d names in the folder while the file is being written", seen)
	}
}

func TestOwnerOfTheReplacedDatabaseIsKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	_, d := vault(t, vaultc.Options{Secrets: 10})
	v, _ := vault(t, vaultc.Options{Secrets: 10, Seed: 3})
	if err := os.Chown(v.Database, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	if _, err := (&target.Target{Path: v.Database, Replace: true}).Load(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(v.Database)
	if err != nil {
		t.Fatal(err)
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 1234 || s.Gid != 2345 || info.Mode() != 0o600 {
		t.Errorf("owner %d:%d, mode %v", s.Uid, s.Gid, info.Mode())
	}
}
