package sqlite_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/vaultc"
	target "holdfast/restore/target/sqlite"
	"holdfast/snapshot/source/sqlite/sqlitetest"
)

func rehash(d *dump) { d.infos[0].SHA256 = sha256.Sum256(d.content) }

// Whatever state the old database is in, the restored one is the dump and nothing beside it
// is left to be played into it.
func TestReplaceLeavesNothingOfTheOldDatabase(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 500})
	for name, old := range map[string]func(t *testing.T) string{
		"closed": func(t *testing.T) string { v, _ := vault(t, vaultc.Options{Secrets: 10, Seed: 3}); return v.Database },
		"crashed with a log": func(t *testing.T) string {
			v, _ := vault(t, vaultc.Options{Secrets: 10, Seed: 3})
			sqlitetest.Run(t, sqlitetest.Open(t, v.Database, "wal_autocheckpoint(0)"), "UPDATE ledger SET n = 77")
			db := sqlitetest.Open(t, v.Database)
			sqlitetest.Run(t, db, "UPDATE ledger SET n = 78")
			return sqlitetest.Crashed(t, v.Database, "-wal", "-shm")
		},
		"crashed with a journal": func(t *testing.T) string { return hot(t) },
		"damaged, with a log": func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "v.db")
			write(t, path, "SQLite format 3\x00"+strings.Repeat("this was a database once", 1000))
			write(t, path+"-wal", "and this its log")
			write(t, path+"-journal", strings.Repeat("\x00", 600)) // not hot, so SQLite leaves it
			return path
		},
		"empty":         func(t *testing.T) string { p := filepath.Join(t.TempDir(), "v.db"); write(t, p, ""); return p },
		"side files":    func(t *testing.T) string { p := filepath.Join(t.TempDir(), "v.db"); write(t, p+"-wal", "x"); return p },
		"symbolic link": func(t *testing.T) string { return linked(t) },
	} {
		t.Run(name, func(t *testing.T) {
			path := old(t)
			tt := &target.Target{Path: path, Replace: true}
			if err := tt.Preflight(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			if _, err := tt.Load(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			real, err := filepath.EvalSymlinks(path)
			if err != nil {
				t.Fatal(err)
			}
			got := sqlitetest.Files(t, filepath.Dir(real))
			delete(got, vaultc.KeyName)
			if len(got) != 1 || got[filepath.Base(real)] != string(d.content) {
				t.Errorf("the folder has %v", names(t, filepath.Dir(real)))
			}
			if _, err := vaultc.CheckInvariant(path); err != nil {
				t.Error(err)
			}
		})
	}
}

// hot makes a database with a hot rollback journal: a transaction too big for its cache has
// written pages to the file and has not committed.
func hot(t *testing.T) string {
	t.Helper()
	v, _ := vault(t, vaultc.Options{Secrets: 2000, Seed: 3, Journal: "delete"})
	db := sqlitetest.Open(t, v.Database, "cache_size(5)")
	sqlitetest.Run(t, db, "BEGIN", "UPDATE secrets SET description = 'half way'")
	return sqlitetest.Crashed(t, v.Database, "-journal")
}

func linked(t *testing.T) string {
	t.Helper()
	v, _ := vault(t, vaultc.Options{Secrets: 10, Seed: 3})
	path := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(v.Database, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// A database that someone uses is not pulled from under them, and stays as it was.
func TestDatabaseInUseIsNotReplaced(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 100})
	for name, use := range map[string]func(path string) func(){
		"idle in WAL mode": func(path string) func() {
			cmd := exec.Command("sqlite3", "-batch", path)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := stdin.Write([]byte("SELECT n FROM ledger;\n")); err != nil {
				t.Fatal(err)
			}
			if _, err := stdout.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			return func() { stdin.Close(); _ = cmd.Wait() }
		},
		"reading": func(path string) func() {
			tx, err := sqlitetest.Open(t, path).Begin()
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.QueryRow("SELECT n FROM ledger").Scan(new(int)); err != nil {
				t.Fatal(err)
			}
			return func() { _ = tx.Rollback() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			journal := "wal"
			if name == "reading" {
				journal = "delete"
			}
			v, _ := vault(t, vaultc.Options{Secrets: 10, Seed: 3, Journal: journal})
			release := use(v.Database)
			before := sqlitetest.Files(t, v.Dir)
			tt := &target.Target{Path: v.Database, Replace: true, BusyTimeout: 50 * time.Millisecond}
			if err := tt.Preflight(t.Context(), d); !errors.Is(err, target.ErrInUse) {
				t.Errorf("preflight: %v", err)
			}
			if _, err := tt.Load(t.Context(), d); !errors.Is(err, target.ErrInUse) {
				t.Errorf("load: %v", err)
			}
			if diff := cmp.Diff(before, sqlitetest.Files(t, v.Dir)); diff != "" {
				t.Error("the folder changed")
			}
			release()
			if _, err := tt.Load(t.Context(), d); err != nil {
				t.Errorf("once it is free: %v", err)
			}
		})
	}
}

// A process that opens the old database between preflight and placing is found by the
// locks, not by luck: the last check is made with the lock in hand.
func TestDatabaseOpenedDuringTheLoadIsNotReplaced(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 100})
	v, _ := vault(t, vaultc.Options{Secrets: 10, Seed: 3})
	var db *sql.DB
	late := &lateDump{dump: d, before: func() { db = sqlitetest.Open(t, v.Database); sqlitetest.Run(t, db, "UPDATE ledger SET n = n") }}
	tt := &target.Target{Path: v.Database, Replace: true, BusyTimeout: 50 * time.Millisecond}
	if _, err := tt.Load(t.Context(), late); !errors.Is(err, target.ErrInUse) {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var journal string
	var secrets int
	if err := sqlitetest.Open(t, v.Database).QueryRow("SELECT journal_mode, (SELECT COUNT(*) FROM secrets) FROM pragma_journal_mode").Scan(&journal, &secrets); err != nil || journal != "wal" || secrets != 10 {
		t.Errorf("the old database has %d secrets and journal mode %s: %v", secrets, journal, err)
	}
}

// A key file or a document in the place of a database is there by mistake.
func TestFileThatIsNoDatabaseIsNotReplaced(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 10})
	for _, content := range []string{"holdfast-host-key 1\nsecret\n", "x", "SQLite format 3", strings.Repeat("\x00", 8192)} {
		path := filepath.Join(t.TempDir(), "host.key")
		write(t, path, content)
		write(t, path+"-wal", "and something beside it")
		before := sqlitetest.Files(t, filepath.Dir(path))
		tt := &target.Target{Path: path, Replace: true}
		if err := tt.Preflight(t.Context(), d); !errors.Is(err, target.ErrNotDatabase) {
			t.Errorf("%.20q: preflight: %v", content, err)
		}
		if _, err := tt.Load(t.Context(), d); !errors.Is(err, target.ErrNotDatabase) {
			t.Errorf("%.20q: load: %v", content, err)
		}
		if diff := cmp.Diff(before, sqlitetest.Files(t, filepath.Dir(path))); diff != "" {
			t.Error(diff)
		}
	}
	// Nor is one that comes while the dump is read.
	path := filepath.Join(t.TempDir(), "v.db")
	late := &lateDump{dump: d, before: func() { write(t, path, "a document") }}
	if _, err := (&target.Target{Path: path, Replace: true}).Load(t.Context(), late); !errors.Is(err, target.ErrNotDatabase) {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "a document" {
		t.Errorf("%q, %v", b, err)
	}
}
