package sqlite

import (
	"fmt"
	"strings"

	"holdfast/snapshot"
)

// Format names the stream format: the bytes of a SQLite 3 database file.
const Format = "sqlite3"

// Facts describe the database of one stream. They travel inside the encrypted contents,
// so table names are as private as the rows.
type Facts struct {
	PageSize      int             `json:"page_size"`
	Pages         int64           `json:"pages"`
	Encoding      string          `json:"encoding"`
	JournalMode   string          `json:"journal_mode"` // "wal", or "delete" for every rollback journal
	AutoVacuum    int             `json:"auto_vacuum"`  // 0 none, 1 full, 2 incremental
	UserVersion   int64           `json:"user_version"`
	ApplicationID int64           `json:"application_id"`
	SQLiteVersion string          `json:"sqlite_version"` // of the library that read it
	Checked       string          `json:"checked"`        // "integrity_check", "quick_check" or "structure": what found it sound
	SchemaSHA256  snapshot.Digest `json:"schema_sha256"`  // of type, name, table and SQL of everything in the schema
	Violations    int64           `json:"foreign_key_violations"`
	Tables        []Table         `json:"tables"`
	Indexes       []Index         `json:"indexes,omitempty"`
}

// The kinds of check that Facts.Checked names.
const (
	CheckedInFull    = "integrity_check"
	CheckedQuickly   = "quick_check"
	CheckedStructure = "structure" // by Check; SQLite could not, for want of an extension
)

// A Table is one table of the schema, SQLite's own and shadow tables included. A virtual
// table has no root and no rows of its own: they are in its shadow tables.
type Table struct {
	Name         string `json:"name"`
	Root         uint32 `json:"root,omitempty"`
	Rows         int64  `json:"rows"`
	WithoutRowid bool   `json:"without_rowid,omitempty"`
	Virtual      bool   `json:"virtual,omitempty"`
}

// An Index is one index that has a b-tree of its own.
type Index struct {
	Name    string `json:"name"`
	Table   string `json:"table"`
	Root    uint32 `json:"root"`
	Partial bool   `json:"partial,omitempty"` // holds some of the table's rows only
}

// Rows is what a sqlite stream counts: the rows of all tables but SQLite's own.
func (f *Facts) Rows() int64 {
	var n int64
	for _, t := range f.Tables {
		if !t.internal() {
			n += t.Rows
		}
	}
	return n
}

// Bytes is the size of the database.
func (f *Facts) Bytes() int64 { return f.Pages * int64(f.PageSize) }

// Same compares what two examinations found, of the source and of a copy, and names the
// first difference. The SQLite versions, the journal mode and the kind of check may differ:
// they are of the reader, not of the data.
func (f *Facts) Same(other *Facts) error {
	for _, c := range []struct {
		what string
		a, b any
	}{
		{"page size", f.PageSize, other.PageSize},
		{"pages", f.Pages, other.Pages},
		{"encoding", f.Encoding, other.Encoding},
		{"auto_vacuum", f.AutoVacuum, other.AutoVacuum},
		{"user_version", f.UserVersion, other.UserVersion},
		{"application_id", f.ApplicationID, other.ApplicationID},
		{"schema digest", f.SchemaSHA256, other.SchemaSHA256},
		{"foreign key violations", f.Violations, other.Violations},
		{"tables", len(f.Tables), len(other.Tables)},
	} {
		if c.a != c.b {
			return fmt.Errorf("%s: %v at the source, %v here", c.what, c.a, c.b)
		}
	}
	for i, t := range f.Tables {
		if t != other.Tables[i] {
			return fmt.Errorf("table %q: %d rows at the source, %d rows of %q here", t.Name, t.Rows, other.Tables[i].Rows, other.Tables[i].Name)
		}
	}
	return nil
}

// internal tells SQLite's own tables (schema, sequences, statistics) from the vault's.
func (t Table) internal() bool { return strings.HasPrefix(t.Name, "sqlite_") }
