package dir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/fixtures/storetest"
	"holdfast/snapshot"
	"holdfast/snapshot/store"
	"holdfast/snapshot/store/dir"
)

func open(t *testing.T, path string) *dir.Store {
	t.Helper()
	s, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

func TestURLsNameFolders(t *testing.T) {
	for _, test := range []struct{ url, path, err string }{
		{url: "file:///srv/backups", path: "/srv/backups"},
		{url: "file:///srv/backups/", path: "/srv/backups"},
		{url: "file://localhost/srv", path: "/srv"},
		{url: "file:///with%20space/%3F%23", path: "/with space/?#"},
		{url: "file:///a/../b", path: "/b"},
		{url: "file://srv/backups", err: "three slashes"},
		{url: "file:srv/backups", err: "three slashes"},
		{url: "file://", err: "no absolute path"},
		{url: "file:///a?lock=1", err: "takes no options"},
		{url: "file:///a%00b", err: "no absolute path"},
		{url: "s3://bucket", err: "instead of file"},
		{url: "file://user:hunter2@/x\x7f", err: "reading store URL"},
	} {
		path, err := dir.ParseURL(test.url)
		switch {
		case test.err == "" && (err != nil || path != test.path):
			t.Errorf("%q: got %q, %v, want %q", test.url, path, err, test.path)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%q: error %v, want %q", test.url, err, test.err)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("the error repeats a password: %v", err)
		}
	}
}

func TestMissingFolderIsNoBucket(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(base, "none"), file, filepath.Join(file, "below")} {
		_, err := dir.Open(path)
		wantError(t, err, snapshot.ErrNoBucket)
	}
	_, err := dir.Create(filepath.Join(base, "none", "deeper"))
	wantError(t, err, snapshot.ErrNoBucket)
	for range 2 { // the second time it is there
		s, err := dir.Create(filepath.Join(base, "new"))
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, "k"+filepath.Base(t.TempDir()), "x")
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// An unmounted disk leaves an empty folder, or none, where the repository was.
func TestFolderThatGoesAwayIsNoBucket(t *testing.T) {
	for name, takeAway := range map[string]func(path string) error{
		"removed":  os.RemoveAll,
		"replaced": func(path string) error { return errors.Join(os.Rename(path, path+".was"), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store")
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			s := open(t, path)
			put(t, s, "a/k", "x")
			if err := takeAway(path); err != nil {
				t.Fatal(err)
			}
			_, err := s.Get(t.Context(), "a/other", snapshot.Range{})
			wantError(t, err, snapshot.ErrNoBucket)
			if errors.Is(err, fs.ErrNotExist) {
				t.Error("a missing folder looks like a missing key")
			}
			var listing error
			for _, err := range s.List(t.Context(), "") {
				listing = err
			}
			wantError(t, listing, snapshot.ErrNoBucket)
			if name == "removed" {
				wantError(t, s.Put(t.Context(), "a/new", nil, snapshot.PutOptions{}), snapshot.ErrNoBucket)
			}
		})
	}
}

func TestFilesAndFoldersArePrivate(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	put(t, s, "a/b/k", "x")
	if _, err := s.Swap(t.Context(), "a/r", []byte("x"), ""); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == path {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLinksInTheFolderLeadNowhere(t *testing.T) {
	base := t.TempDir()
	path, outside := filepath.Join(base, "store"), filepath.Join(base, "outside")
	for _, name := range []string{path, outside} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, path)
	if err := errors.Join(
		os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600),
		os.Symlink(outside, filepath.Join(path, "out")),
		os.Symlink("../outside/secret", filepath.Join(path, "secret")),
		unix.Mkfifo(filepath.Join(path, "pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"out/secret", "secret", "pipe"} {
		if body, err := s.Get(t.Context(), key, snapshot.Range{}); err == nil {
			t.Errorf("%s was opened", key)
			body.Close()
		}
	}
	if err := s.Put(t.Context(), "out/new", []byte("x"), snapshot.PutOptions{}); err == nil {
		t.Error("stored through a link")
	}
	if _, err := s.Swap(t.Context(), "out/new", []byte("x"), ""); err == nil {
		t.Error("swapped through a link")
	}
	if err := s.Delete(t.Context(), "out/secret"); err == nil {
		t.Error("deleted through a link")
	}
	for o, err := range s.List(t.Context(), "") {
		t.Errorf("listed %q, %v", o.Key, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside now has %v, %v", entries, err)
	}
}

func TestLockIsUnsupported(t *testing.T) {
	s := open(t, t.TempDir())
	o := snapshot.PutOptions{Lock: snapshot.Lock{Mode: "governance", Until: time.Now().Add(time.Hour)}}
	wantError(t, s.Put(t.Context(), "k", []byte("x"), o), snapshot.ErrUnsupported)
}

func TestOwnFolderIsNoKey(t *testing.T) {
	s := open(t, t.TempDir())
	for _, key := range []string{".holdfast", ".holdfast/lock", ".holdfast/tmp-x"} {
		if err := s.Put(t.Context(), key, []byte("x"), snapshot.PutOptions{}); err == nil {
			t.Errorf("stored %s", key)
		}
	}
	put(t, s, ".holdfast-2/k", "x")
}

func TestLeftoversOfKilledWritersAreSwept(t *testing.T) {
	path := t.TempDir()
	put(t, open(t, path), "k", "x")
	old, young := filepath.Join(path, ".holdfast/tmp-old"), filepath.Join(path, ".holdfast/tmp-young")
	long, day := time.Now().Add(-25*time.Hour), time.Now().Add(-23*time.Hour)
	if err := errors.Join(os.WriteFile(old, nil, 0o600), os.WriteFile(young, nil, 0o600),
		os.Chtimes(old, long, long), os.Chtimes(young, day, day)); err != nil {
		t.Fatal(err)
	}
	put(t, open(t, path), "k2", "x")
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("the young one:", err)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	put(t, s, "a/b/c/k", "x")
	if err := s.Put(t.Context(), "a/b/c/k", []byte("x"), snapshot.PutOptions{}); err == nil {
		t.Error("stored twice")
	}
	if err := s.Delete(t.Context(), "a/b/c/k"); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{path, filepath.Join(path, ".holdfast")} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != ".holdfast" {
				t.Errorf("left in %s: %s", filepath.Base(folder), e.Name())
			}
		}
	}
}

// The same body again is another version: who waited for the first must not take the third
// for it. A clock that was set back does not matter either.
func TestVersionsOfEqualBodiesDiffer(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	first, err := s.Swap(t.Context(), "r", []byte("same"), "")
	if err != nil {
		t.Fatal(err)
	}
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(path, "r"), future, future); err != nil {
		t.Fatal(err)
	}
	r, err := s.Load(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{first: true, r.Version: true}
	version := r.Version
	for range 20 {
		if version, err = s.Swap(t.Context(), "r", []byte("same"), version); err != nil {
			t.Fatal(err)
		}
		if seen[version] {
			t.Fatalf("version %s came twice", version)
		}
		seen[version] = true
	}
	if r, err = s.Load(t.Context(), "r"); err != nil || !r.Modified.After(future) {
		t.Errorf("modified %v, %v: went back with the clock, not on from %v", r.Modified, err, future)
	}
}

func put(t *testing.T, s *dir.Store, key, body string) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(body), snapshot.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want one that matches %q", err, want)
	}
}
