package dir_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"holdfast/fixtures"
	"holdfast/snapshot"
	"holdfast/snapshot/store/dir"
)

// A SIGKILLed writer must not leave the lock behind, nor half a body.
func TestKilledSwapperReleasesTheLock(t *testing.T) {
	if path := os.Getenv("DIR_TEST_SWAP_FOREVER"); path != "" {
		swapForever(t, open(t, path))
	}
	path := t.TempDir()
	s := open(t, path)
	for round := range 5 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledSwapperReleasesTheLock$")
		child.Env = append(os.Environ(), "DIR_TEST_SWAP_FOREVER="+path)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		waitForChange(t, s)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the swapper ended by itself")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := s.Load(ctx, "r")
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Body) != 100_000 {
			t.Fatalf("round %d: the register has %d bytes", round, len(r.Body))
		}
		if _, err := s.Swap(ctx, "r", r.Body, r.Version); err != nil {
			t.Fatal(err)
		}
	}
}

// Two stores share nothing but the folder, as two processes do.
func TestSwapsOfTwoProcessesAreSerialized(t *testing.T) {
	path := t.TempDir()
	var g errgroup.Group
	const each = 100
	for range 2 {
		s := open(t, path)
		g.Go(func() error {
			for n := 0; n < each; {
				r, err := s.Load(t.Context(), "count")
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
				_, err = s.Swap(t.Context(), "count", append(r.Body, 'x'), r.Version)
				if err == nil {
					n++
				} else if !errors.Is(err, snapshot.ErrConflict) {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	r, err := open(t, path).Load(t.Context(), "count")
	if err != nil || len(r.Body) != 2*each {
		t.Errorf("%d swaps are in the register, %v, want %d", len(r.Body), err, 2*each)
	}
}

func swapForever(t *testing.T, s *dir.Store) {
	for {
		r, err := s.Load(t.Context(), "r")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if _, err := s.Swap(t.Context(), "r", make([]byte, 100_000), r.Version); err != nil {
			t.Fatal(err)
		}
	}
}

func waitForChange(t *testing.T, s *dir.Store) {
	t.Helper()
	before, _ := s.Load(t.Context(), "r") // may not be there yet
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if now, err := s.Load(t.Context(), "r"); err == nil && now.Version != before.Version {
			return
		}
	}
	t.Fatal("the swapper does not swap")
}

func TestDeniedFolderIsDenied(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	put(t, s, "a/k", "x")
	for _, folder := range []string{"", "a", ".holdfast"} {
		if err := os.Chmod(filepath.Join(path, folder), 0o500); err != nil {
			t.Fatal(err)
		}
	}
	asNobody(t)
	wantError(t, s.Put(t.Context(), "a/new", []byte("x"), snapshot.PutOptions{}), snapshot.ErrDenied)
	_, err := s.Swap(t.Context(), "r", []byte("x"), "")
	wantError(t, err, snapshot.ErrDenied)
	wantError(t, s.Delete(t.Context(), "a/k"), snapshot.ErrDenied)
	if os.Getuid() == 0 {
		_, err = s.Get(t.Context(), "a/k", snapshot.Range{})
		wantError(t, err, snapshot.ErrDenied)
	}
}

// asNobody takes root's rights over files from this goroutine until the test ends. Other
// users have none to begin with.
func asNobody(t *testing.T) {
	if os.Getuid() != 0 {
		return
	}
	runtime.LockOSThread()
	if _, err := unix.SetfsuidRetUid(65534); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := unix.SetfsuidRetUid(0); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
}

func TestFullDiskIsFullAndHeals(t *testing.T) {
	path := fixtures.SmallDisk(t, 1<<20)
	s := open(t, path)
	put(t, s, "small", "x")
	version, err := s.Swap(t.Context(), "r", []byte("x"), "")
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, s.Put(t.Context(), "big", make([]byte, 2<<20), snapshot.PutOptions{}), snapshot.ErrFull)
	if err := os.WriteFile(filepath.Join(path, "ballast"), make([]byte, 900<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.Swap(t.Context(), "r", make([]byte, 500<<10), version)
	wantError(t, err, snapshot.ErrFull)
	if r, err := s.Load(t.Context(), "r"); err != nil || string(r.Body) != "x" {
		t.Errorf("the register is %q, %v", r.Body, err)
	}
	if err := os.Remove(filepath.Join(path, "ballast")); err != nil {
		t.Fatal(err)
	}
	put(t, s, "big", string(make([]byte, 500<<10)))
}
