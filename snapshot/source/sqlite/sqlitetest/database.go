package sqlitetest

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	driver "modernc.org/sqlite"

	"holdfast/snapshot/source/sqlite"
)

// Open opens the database at path for writing by the test, which need not close it. Pragmas are
// such as "cache_size(5)".
func Open(t testing.TB, path string, pragmas ...string) *sql.DB {
	t.Helper()
	connector, err := driver.NewConnector(sqlite.URI(path, url.Values{"_pragma": pragmas, "_busy_timeout": {"20000"}}))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

// Run executes statements one by one.
func Run(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%.80s: %v", s, err)
		}
	}
}

// Build makes a closed database of the statements.
func Build(t testing.TB, path string, statements ...string) {
	t.Helper()
	db := Open(t, path, "synchronous(off)")
	Run(t, db, statements...)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// Crashed copies a database with its side files ("-wal", "-journal") out from under an open
// connection, which is what a power cut leaves, and returns where to.
func Crashed(t testing.TB, path string, sides ...string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), filepath.Base(path))
	for _, side := range append(sides, "") {
		b, err := os.ReadFile(path + side)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+side, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// Files reads every file of a folder.
func Files(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}
