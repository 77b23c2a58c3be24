package main

import (
	"bytes"
	"database/sql"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/cmd/holdfast/config"
	"holdfast/snapshot/source/files/filestest"
	"holdfast/snapshot/source/sqlite"
)

// Manifests are public. Names of files, tables and columns in these vaults all hold this word.
const private = "private"

// Each vault here gives its adapter something to warn of.
func TestNoWarningOfAnAdapterNamesAnything(t *testing.T) {
	journal := []string{"CREATE TABLE private_p (private_id INTEGER PRIMARY KEY)", "INSERT INTO private_p VALUES (1)"}
	changing := privateFolder(t, "warn", func(string) {})
	for what, c := range map[string]struct {
		vault *config.Vault
		write func(stream string, total int) // goes on while the dump is written
		about string                         // in the warning
	}{
		"rollback journal": {vault: privateDatabase(t, journal...), about: "not in WAL mode"},
		"foreign keys": {vault: privateDatabase(t, append(journal,
			"CREATE TABLE private_c (private_p REFERENCES private_p (private_id))", "INSERT INTO private_c VALUES (7)")...), about: "without its parent"},
		"a foreign key of no sense": {vault: privateDatabase(t, append(journal,
			"CREATE TABLE private_x (a)", "CREATE TABLE private_c (private_p REFERENCES private_x (a))", "INSERT INTO private_c VALUES (7)")...), about: "could not be checked"},
		"an extension": {vault: privateDatabase(t, "CREATE TABLE private_t (a COLLATE NOCASE)", "CREATE INDEX private_i ON private_t (a)", "INSERT INTO private_t VALUES ('x'), ('y')",
			"PRAGMA writable_schema = 1", "UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'PRIVATE_ORDER')"), about: "extension"},
		"sockets": {vault: privateFolder(t, "fail", func(dir string) {
			l, err := net.Listen("unix", filepath.Join(dir, "private.sock"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}), about: "1 sockets"},
		"changes": {vault: changing, write: func(string, int) {
			if err := os.Chmod(filepath.Join(string(changing.Files.Path), "private.txt"), 0o640); err != nil {
				t.Error(err)
			}
		}, about: "entries changed"},
	} {
		src, err := source(c.vault, reading{})
		if err != nil {
			t.Fatal(err)
		}
		rec := filestest.NewRecorder()
		rec.Written = c.write
		if err := src.Dump(t.Context(), rec); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		text := strings.Join(rec.Warnings, "\n")
		if !strings.Contains(text, c.about) {
			t.Errorf("%s: warnings %q say nothing of it", what, text)
		}
		if strings.Contains(strings.ToLower(text), private) || strings.Contains(text, "/") {
			t.Errorf("%s: the warnings name something: %q", what, text)
		}
	}
}

// privateDatabase makes a SQLite vault whose names are private.
func privateDatabase(t *testing.T, statements ...string) *config.Vault {
	t.Helper()
	path := filepath.Join(t.TempDir(), "private.db")
	db, err := sql.Open("sqlite", sqlite.URI(path, url.Values{}))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return &config.Vault{Name: "v", Kind: config.KindSQLite, SQLite: &config.SQLite{Path: config.Path(path)}}
}

// privateFolder makes a vault of one file, large enough to be written in pieces, and what else puts there.
func privateFolder(t *testing.T, onChange string, more func(dir string)) *config.Vault {
	t.Helper()
	dir, err := os.MkdirTemp("", "private-") // short: a socket's path has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "private.txt"), bytes.Repeat([]byte("private"), 1<<18), 0o600); err != nil {
		t.Fatal(err)
	}
	more(dir)
	return &config.Vault{Name: "v", Kind: config.KindFiles, Files: &config.Files{Path: config.Path(dir), OnChange: onChange}}
}
