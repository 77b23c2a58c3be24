package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot/source/sqlite/sqlitetest"
)

var errDisk = errors.New("the disk failed")

// failAt makes the disk fail when folders are synced for the nth time, counting from 1.
func failAt(t *testing.T, nth int) {
	t.Helper()
	sound := syncDir
	t.Cleanup(func() { syncDir = sound })
	calls := 0
	syncDir = func(f *os.File) error {
		if calls++; calls == nth {
			return errDisk
		}
		return sound(f)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// database makes a closed database in WAL mode with one row.
func database(t *testing.T, path string) {
	t.Helper()
	sqlitetest.Build(t, path, "PRAGMA journal_mode = wal", "CREATE TABLE t (a)", "INSERT INTO t VALUES (42)")
}

// wantOld wants the database that was there, in WAL mode, and nothing beside it.
func wantOld(t *testing.T, path string) {
	t.Helper()
	if files := sqlitetest.Files(t, filepath.Dir(path)); len(files) != 1 {
		t.Errorf("%d files are left beside the database", len(files)-1)
	}
	db := sqlitetest.Open(t, path)
	var mode string
	var a int
	if err := db.QueryRow("SELECT journal_mode, (SELECT a FROM t) FROM pragma_journal_mode").Scan(&mode, &a); err != nil || mode != "wal" || a != 42 {
		t.Errorf("journal mode %s, row %d: %v", mode, a, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// place gives path a new scratch and closes it, as Load does.
func place(t *testing.T, tt *Target, path string) error {
	t.Helper()
	f, err := newScratch(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("the new database"); err != nil {
		t.Fatal(err)
	}
	_, err = tt.place(t.Context(), f, path)
	if closed := f.discard(); closed != nil {
		t.Error(closed)
	}
	return err
}

func TestFailingDiskLeavesTheOldDatabase(t *testing.T) {
	for nth := 1; ; nth++ {
		path := filepath.Join(t.TempDir(), "v.db")
		database(t, path)
		failAt(t, nth)
		err := place(t, &Target{Replace: true, BusyTimeout: time.Second}, path)
		if err == nil {
			if nth < 3 {
				t.Errorf("the folder was synced %d times", nth-1)
			}
			return
		}
		if !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		wantOld(t, path)
	}
}

// A database that SQLite cannot open keeps its name and its side files, whichever step fails.
func TestFailingDiskLeavesTheDamagedDatabase(t *testing.T) {
	for nth := 1; ; nth++ {
		path := filepath.Join(t.TempDir(), "v.db")
		write(t, path, magic+strings.Repeat("damage", 1000))
		write(t, path+"-shm", "an index of its log")
		write(t, path+"-journal", strings.Repeat("\x00", 600)) // not hot, so SQLite leaves it
		before := sqlitetest.Files(t, filepath.Dir(path))
		failAt(t, nth)
		err := place(t, &Target{Replace: true}, path)
		if err == nil {
			if nth < 3 {
				t.Errorf("the folder was synced %d times", nth-1)
			}
			return
		}
		if !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, sqlitetest.Files(t, filepath.Dir(path))); diff != "" {
			t.Errorf("after failure %d:\n%s", nth, diff)
		}
	}
}

func TestFailingDiskLeavesAnEmptyPlaceEmpty(t *testing.T) {
	for name, c := range map[string]struct {
		replace bool
		nth     int
		before  map[string]string
	}{
		"nothing there":             {false, 1, map[string]string{}},
		"a lost database's log":     {true, 1, map[string]string{"v.db-wal": "committed"}},
		"the same, at the new name": {true, 2, map[string]string{"v.db-wal": "committed"}},
	} {
		dir := t.TempDir()
		for file, content := range c.before {
			write(t, filepath.Join(dir, file), content)
		}
		failAt(t, c.nth)
		if err := place(t, &Target{Replace: c.replace}, filepath.Join(dir, "v.db")); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.before, sqlitetest.Files(t, dir)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestDatabaseThatCannotBeTakenOverStaysInWALMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	database(t, path)
	sound := exclusive
	t.Cleanup(func() { exclusive = sound })
	exclusive = "SELECT nothing"
	if err := place(t, &Target{Replace: true}, path); err == nil {
		t.Error("it was replaced")
	}
	wantOld(t, path)
}
