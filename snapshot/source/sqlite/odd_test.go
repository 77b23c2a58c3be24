package sqlite_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/snapshot"
	"holdfast/snapshot/source/sqlite"
	"holdfast/snapshot/source/sqlite/sqlitetest"
)

func TestAnyPathIsTakenAsItIs(t *testing.T) {
	for _, name := range []string{"a b.db", "what?.db", "50%41.db", "#1.db", "a&mode=rw.db", "ünïcode.db", "file:x.db", "x\\y.db", "tab\there.db", "-rf.db", "quote'\".db"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		sqlitetest.Build(t, path, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
		d, _ := take(t, path)
		if d.Info.Rows != 1 || d.Streams[0].Name != name || !fs.ValidPath(d.Streams[0].Name) {
			t.Errorf("%q: %d rows in stream %q", name, d.Info.Rows, d.Streams[0].Name)
		}
		if files := listing(t, dir); len(files) != 1 {
			t.Errorf("%q: the folder has %v", name, files)
		}
	}
	if got := sqlite.StreamName("/x/\xff.db"); !fs.ValidPath(got) {
		t.Errorf("stream name %q", got)
	}
}

func TestLinkAndRelativePathLeadToTheDatabaseWithItsLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "v.db")
	sqlitetest.Run(t, sqlitetest.Open(t, path, "journal_mode(wal)"), "CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)")
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if d, _ := take(t, link); d.Info.Rows != 2 {
		t.Errorf("%d rows by the link", d.Info.Rows)
	}
	t.Chdir(dir)
	if d, _ := take(t, "v.db"); d.Info.Rows != 2 {
		t.Errorf("%d rows by the relative path", d.Info.Rows)
	}
}

func TestFileWithoutRightsIsRefused(t *testing.T) {
	dir := openDir(t)
	path := filepath.Join(dir, "v.db")
	sqlitetest.Build(t, path, "PRAGMA journal_mode = wal", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		if err := refuse(t, t.Context(), &sqlite.Source{Path: path}); !errors.Is(err, fs.ErrPermission) {
			t.Error(err)
		}
	})
	// Readable, but in WAL mode in a folder where no -shm can be made.
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		err := refuse(t, t.Context(), &sqlite.Source{Path: path})
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "-shm") {
			t.Error(err)
		}
	})
}

// openDir is a temporary folder that everybody may enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "holdfast-sqlite-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestForeignKeysWithoutParentsAreWarnedOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	sqlitetest.Build(t, path, "CREATE TABLE p (id INTEGER PRIMARY KEY)", "CREATE TABLE c (p REFERENCES p (id))", "INSERT INTO c VALUES (1), (2), (NULL)")
	d, _ := take(t, path)
	if d.Facts.Violations != 2 || !strings.Contains(strings.Join(d.Warnings, "\n"), "2 rows in 1 tables have a foreign key without its parent") {
		t.Errorf("%d violations, warnings %q", d.Facts.Violations, d.Warnings)
	}
	bad := filepath.Join(t.TempDir(), "v.db")
	sqlitetest.Build(t, bad, "CREATE TABLE p (id)", "CREATE TABLE c (p REFERENCES p (id))", "INSERT INTO c VALUES (1)")
	d, _ = take(t, bad)
	if !strings.Contains(strings.Join(d.Warnings, "\n"), "could not be checked") {
		t.Errorf("a mismatched key: warnings %q", d.Warnings)
	}
}

// Tables and collations of modules that this build of SQLite lacks are dumped all the same.
func TestDatabaseThatNeedsAnExtensionIsDumped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	shell(t, path, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "CREATE VIRTUAL TABLE f USING fts4(x)", "INSERT INTO f VALUES ('word')")
	d, content := take(t, path)
	if out := shell(t, save(t, content), "SELECT x FROM f WHERE f MATCH 'word'", "PRAGMA integrity_check"); out != "word\nok" {
		t.Errorf("sqlite3 says %q", out)
	}
	if _, err := sqlite.Check(bytes.NewReader(content), &d.Facts); err != nil {
		t.Error(err)
	}

	path = filepath.Join(t.TempDir(), "v.db")
	shell(t, path, "CREATE TABLE t (a COLLATE NOCASE)", "INSERT INTO t VALUES ('x'), ('y')", "CREATE INDEX i ON t (a)",
		".dbconfig defensive off", "PRAGMA writable_schema = 1", "UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'TOWNS')")
	d, content = take(t, path)
	if d.Info.Rows != 2 || d.Facts.Checked != sqlite.CheckedStructure || !strings.Contains(strings.Join(d.Warnings, "\n"), "extension") {
		t.Errorf("%d rows, %s, warnings %q", d.Info.Rows, d.Facts.Checked, d.Warnings)
	}
	if _, err := sqlite.Check(bytes.NewReader(content), &d.Facts); err != nil {
		t.Error(err)
	}
	copy(content[4096:], make([]byte, 4096)) // SQLite cannot notice: it cannot check at all
	if err := refuse(t, t.Context(), &sqlite.Source{Path: save(t, content)}); !errors.Is(err, snapshot.ErrDamaged) {
		t.Error(err)
	}
}
