package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot"
	"holdfast/snapshot/source/sqlite"
	"holdfast/snapshot/source/sqlite/sqlitetest"
)

func TestDumpDescribesTheDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	sqlitetest.Build(t, path, "PRAGMA user_version = 5", "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, v)", rows("a", 10, 5),
		"CREATE TABLE b (k PRIMARY KEY) WITHOUT ROWID", "INSERT INTO b VALUES (1), (2)", "CREATE INDEX a_v ON a (v) WHERE id > 3", "CREATE VIRTUAL TABLE w USING fts5(x, content='')")
	before := time.Now()
	d, content := take(t, path)
	if d.Info.Rows != 10+2+3 { // and the rows that fts5 begins with
		t.Errorf("%d rows: %+v", d.Info.Rows, d.Facts.Tables)
	}
	got := map[string]sqlite.Table{}
	for _, x := range d.Facts.Tables {
		got[x.Name] = x
	}
	for _, want := range []sqlite.Table{
		{Name: "sqlite_schema", Root: 1, Rows: int64(len(d.Facts.Tables) - 1 + 1)},
		{Name: "a", Root: 2, Rows: 10}, {Name: "b", Root: 4, Rows: 2, WithoutRowid: true}, {Name: "sqlite_sequence", Root: 3, Rows: 1}, {Name: "w", Virtual: true},
	} {
		if diff := cmp.Diff(want, got[want.Name]); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff([]sqlite.Index{{Name: "a_v", Table: "a", Root: 5, Partial: true}}, d.Facts.Indexes); diff != "" {
		t.Error(diff)
	}
	if d.Told.AsOf.Before(before) || d.Told.AsOf.After(time.Now()) || d.Told.Server.Product != "sqlite" || d.Told.Server.Facts["page_size"] != "4096" {
		t.Errorf("%+v", d.Told)
	}
	if d.Streams[0].Name != "v.db" || d.Streams[0].Format != sqlite.Format || int64(len(content)) != d.Facts.Bytes() {
		t.Errorf("%+v", d.Streams[0])
	}
	if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "not in WAL mode") {
		t.Errorf("warnings %q", d.Warnings)
	}
}

func TestCommitsThatAreOnlyInTheLogAreDumped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	db := sqlitetest.Open(t, path, "journal_mode(wal)", "wal_autocheckpoint(0)")
	sqlitetest.Run(t, db, "CREATE TABLE t (a, b)", rows("t", 1000, 100))
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(file) > 4096 {
		t.Fatalf("the log was folded into the file: %d bytes", len(file))
	}
	d, content := take(t, path)
	if d.Info.Rows != 1000 || len(d.Warnings) != 0 {
		t.Errorf("%d rows, warnings %q", d.Info.Rows, d.Warnings)
	}
	copied := save(t, content)
	if out := shell(t, copied, "SELECT COUNT(*) FROM t", "PRAGMA integrity_check", "PRAGMA journal_mode"); out != "1000\nok\nwal" {
		t.Errorf("sqlite3 says %q", out)
	}
}

// A log that a crash left has its commits read with it; the database file stays as it is.
func TestLogLeftByACrashIsDumped(t *testing.T) {
	for _, sides := range [][]string{{"-wal"}, {"-wal", "-shm"}} {
		path := filepath.Join(t.TempDir(), "v.db")
		db := sqlitetest.Open(t, path, "journal_mode(wal)")
		sqlitetest.Run(t, db, "CREATE TABLE t (a, b)", rows("t", 1000, 100))
		left := sqlitetest.Crashed(t, path, sides...)
		before := fileBytes(t, left)
		d, content := take(t, left)
		if d.Info.Rows != 1000 {
			t.Errorf("%v: %d rows", sides, d.Info.Rows)
		}
		if !bytes.Equal(before, fileBytes(t, left)) {
			t.Errorf("%v: the source was written to", sides)
		}
		if out := shell(t, save(t, content), "SELECT COUNT(*) FROM t"); out != "1000" {
			t.Errorf("%v: sqlite3 says %s", sides, out)
		}
	}
}

func TestHotJournalIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	db := sqlitetest.Open(t, path, "cache_size(5)")
	sqlitetest.Run(t, db, "CREATE TABLE t (a, b)", rows("t", 1000, 500), "BEGIN", "UPDATE t SET b = zeroblob(500)")
	left := sqlitetest.Crashed(t, path, "-journal")
	before := listing(t, filepath.Dir(left))
	err := refuse(t, t.Context(), &sqlite.Source{Path: left})
	if !errors.Is(err, sqlite.ErrHotJournal) {
		t.Error(err)
	}
	if diff := cmp.Diff(before, listing(t, filepath.Dir(left))); diff != "" {
		t.Error(diff)
	}
	shell(t, left, "SELECT COUNT(*) FROM t") // what the error advises
	take(t, left)
}

func fileBytes(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestUnusableFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	noise := bytes.Repeat([]byte("0123456789abcdef"), 1024)
	bare := filepath.Join(dir, "bare.db")
	sqlitetest.Build(t, bare, "PRAGMA user_version = 3")
	for name, c := range map[string]struct {
		path string
		want error
		text string
	}{
		"missing":   {filepath.Join(dir, "none.db"), fs.ErrNotExist, "no such file"},
		"empty":     {file("empty.db", nil), sqlite.ErrEmpty, "no pages"},
		"no tables": {bare, sqlite.ErrEmpty, "no tables"},
		"encrypted": {file("noise.db", noise), snapshot.ErrDamaged, "file is not a database, or it is encrypted"},
		"folder":    {dir, nil, "is a directory"},
		"device":    {os.DevNull, nil, "not a regular file"},
	} {
		err := refuse(t, t.Context(), &sqlite.Source{Path: c.path})
		if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || strings.Count(err.Error(), c.path) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamagedPageIsRefused(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"zeroed page": func(b []byte) []byte { copy(b[5*4096:], make([]byte, 4096)); return b },
		"cut":         func(b []byte) []byte { return b[:len(b)-9000] },
		"row lost from an index": func(b []byte) []byte {
			at := bytes.LastIndex(b, []byte("needle"))
			b[at] = 'N'
			return b
		},
	} {
		path := filepath.Join(t.TempDir(), "v.db")
		sqlitetest.Build(t, path, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)", rows("t", 500, 100), "INSERT INTO t VALUES (-1, 'needle')", "CREATE INDEX i ON t (b)")
		if err := os.WriteFile(path, damage(fileBytes(t, path)), 0o600); err != nil {
			t.Fatal(err)
		}
		err := refuse(t, t.Context(), &sqlite.Source{Path: path})
		var d *snapshot.Damage
		if !errors.As(err, &d) || d.Key != path {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
}

func TestFailedWriteEndsTheDump(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	sqlitetest.Build(t, path, "CREATE TABLE t (a, b)", rows("t", 3000, 500))
	full := errors.New("store is full")
	d := &sqlitetest.Recorder{To: failing{full}}
	if err := (&sqlite.Source{Path: path}).Dump(t.Context(), d); !errors.Is(err, full) || d.Sealed {
		t.Errorf("error %v, sealed %v", err, d.Sealed)
	}
	sqlitetest.Run(t, sqlitetest.Open(t, path, "busy_timeout(0)"), "INSERT INTO t VALUES (1, 1)") // no lock stays behind
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestDumpEndsWithItsContextOrItsTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	sqlitetest.Build(t, path, "CREATE TABLE t (a, b)", rows("t", 20000, 500))
	ctx, cancel := context.WithCancel(t.Context())
	d := &sqlitetest.Recorder{To: calling{cancel}}
	if err := (&sqlite.Source{Path: path}).Dump(ctx, d); !errors.Is(err, context.Canceled) || d.Sealed {
		t.Errorf("cancelled while streaming: %v, sealed %v", err, d.Sealed)
	}
	d = &sqlitetest.Recorder{To: calling{func() { time.Sleep(20 * time.Millisecond) }}}
	if err := (&sqlite.Source{Path: path, MaxHold: 300 * time.Millisecond}).Dump(t.Context(), d); !errors.Is(err, sqlite.ErrHeld) || d.Sealed {
		t.Errorf("held for too long: %v, sealed %v", err, d.Sealed)
	}
	if err := refuse(t, t.Context(), &sqlite.Source{Path: path, MaxHold: time.Millisecond}); !errors.Is(err, sqlite.ErrHeld) {
		t.Errorf("held for too long while checking: %v", err)
	}
	runtime.GC() // what is still open would be closed here, and not earlier
	sqlitetest.Run(t, sqlitetest.Open(t, path, "busy_timeout(0)"), "INSERT INTO t VALUES (1, 1)")
}

type calling struct{ f func() }

func (c calling) Write(p []byte) (int, error) { c.f(); return len(p), nil }
