package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/fixtures/vaultc"
	"holdfast/snapshot/source/sqlite"
	"holdfast/snapshot/source/sqlite/sqlitetest"
)

// The main job: 100,000 secrets, an application that commits 500 transactions a second,
// and a dump that shows one instant of it without slowing it down.
func TestLiveVaultIsDumpedAtOneInstant(t *testing.T) {
	v, err := vaultc.Generate(t.Context(), filepath.Join(t.TempDir(), "vault"), vaultc.Options{Secrets: liveSecrets})
	if err != nil {
		t.Fatal(err)
	}
	const tps = 500
	w, err := vaultc.StartWriter(v.Database, tps)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	committing := func(after int64) (events int64) { // waits until the writer has gone on
		for looks := 0; events <= after && looks < 1000; looks++ {
			time.Sleep(10 * time.Millisecond)
			if events, err = vaultc.CheckInvariant(v.Database); err != nil {
				t.Fatal(err)
			}
		}
		return events
	}
	var copies []string
	for range 2 {
		committing(committing(0))
		d, content := take(t, v.Database)
		counts, err := sqlite.Check(bytes.NewReader(content), &d.Facts)
		if err != nil {
			t.Error(err)
		}
		if counts.Rows != d.Info.Rows {
			t.Errorf("Check counts %d rows of %d", counts.Rows, d.Info.Rows)
		}
		copies = append(copies, save(t, content))
	}
	took := time.Since(begin)
	committed, err := w.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if rate := float64(committed) / took.Seconds(); rate < tps/10 {
		t.Errorf("the writer was held up: %.0f transactions a second", rate)
	}
	var last int64
	for _, path := range copies {
		events, err := vaultc.CheckInvariant(path)
		if err != nil {
			t.Error(err)
		}
		if events <= last || events > committed {
			t.Errorf("%d events after %d, of %d committed", events, last, committed)
		}
		last = events
		if out := shell(t, path, "PRAGMA integrity_check", "SELECT COUNT(*) FROM secrets"); out != fmt.Sprint("ok\n", liveSecrets) {
			t.Errorf("sqlite3 says %q", out)
		}
	}
}

// With a rollback journal the writer waits, and goes on when the dump is done.
func TestWriterWithRollbackJournalSurvivesTheDump(t *testing.T) {
	v, err := vaultc.Generate(t.Context(), filepath.Join(t.TempDir(), "vault"), vaultc.Options{Secrets: 20_000, Journal: "delete"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := vaultc.StartWriter(v.Database, 20)
	if err != nil {
		t.Fatal(err)
	}
	d, content := take(t, v.Database)
	time.Sleep(300 * time.Millisecond)
	committed, err := w.Stop()
	if err != nil || committed == 0 {
		t.Errorf("%d transactions: %v", committed, err)
	}
	if _, err := vaultc.CheckInvariant(save(t, content)); err != nil {
		t.Error(err)
	}
	if !strings.Contains(strings.Join(d.Warnings, ""), "commits had to wait") {
		t.Errorf("warnings %q", d.Warnings)
	}
}

func TestLockedDatabaseIsAnErrorAfterTheTimeout(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		path := filepath.Join(t.TempDir(), "v.db")
		db := sqlitetest.Open(t, path, "locking_mode(exclusive)", "journal_mode("+mode+")")
		sqlitetest.Run(t, db, "CREATE TABLE t (a)", "BEGIN EXCLUSIVE")
		begin := time.Now()
		err := refuse(t, t.Context(), &sqlite.Source{Path: path, BusyTimeout: 300 * time.Millisecond})
		if took := time.Since(begin); !errors.Is(err, sqlite.ErrLocked) || took < 250*time.Millisecond || took > 10*time.Second {
			t.Errorf("%s: %v after %v", mode, err, took)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		take(t, path)
	}
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	db := sqlitetest.Open(t, path, "locking_mode(exclusive)")
	sqlitetest.Run(t, db, "CREATE TABLE t (a)", "BEGIN EXCLUSIVE")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := refuse(t, ctx, &sqlite.Source{Path: path, BusyTimeout: time.Minute})
	if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 20*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

// Closing a plain descriptor of the database must not strip the dump's lock: another
// source in this process may read the same folder.
func TestLockSurvivesAnotherReaderOfTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	sqlitetest.Build(t, path, "CREATE TABLE t (a, b)", rows("t", 2000, 500))
	held := false
	d := &sqlitetest.Recorder{To: calling{func() {
		if held {
			return
		}
		held = true
		fileBytes(t, path) // opens and closes the database file
		out, err := exec.Command("sqlite3", "-batch", path, "DELETE FROM t").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "locked") {
			t.Errorf("another process wrote past the dump's lock: %v, %s", err, out)
		}
	}}}
	if err := (&sqlite.Source{Path: path}).Dump(t.Context(), d); err != nil || !held {
		t.Errorf("%v, called %v", err, held)
	}
}

func TestSourceFolderGetsNothingButWhatSQLiteKeepsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	sqlitetest.Build(t, path, "PRAGMA journal_mode = wal", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	before := fileBytes(t, path)
	take(t, path)
	if !bytes.Equal(before, fileBytes(t, path)) {
		t.Error("the database was written to")
	}
	for name, size := range listing(t, filepath.Dir(path)) {
		if name != "v.db" && name != "v.db-shm" && (name != "v.db-wal" || size != 0) {
			t.Errorf("the dump left %s of %d bytes", name, size)
		}
		if info, err := os.Stat(filepath.Join(filepath.Dir(path), name)); err != nil || info.Mode().Perm()&^0o644 != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}
