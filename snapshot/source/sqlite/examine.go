package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"holdfast/snapshot"
)

// maxFindings bounds how many lines of integrity_check an error quotes. They name pages,
// tables and indexes, never values.
const maxFindings = 5

// Examine checks the main database of conn and describes it. Damage is an error matching
// snapshot.ErrDamaged; what people should know of a sound database comes back as warnings.
// If Facts.Checked says so, it is for the caller to run Check on the bytes. Examine begins no
// transaction: begin one first if others write.
func Examine(ctx context.Context, conn *sql.Conn, path string, quick bool) (*Facts, []string, error) {
	e := examiner{ctx: ctx, conn: conn, path: path, facts: new(Facts)}
	for _, step := range []func() error{e.properties, e.notEmpty, func() error { return e.integrity(quick) }, e.foreignKeys, e.schema, e.tables, e.indexes} {
		if err := step(); err != nil {
			return nil, nil, Explain(ctx, path, err)
		}
	}
	return e.facts, e.warnings, nil
}

type examiner struct {
	ctx      context.Context
	conn     *sql.Conn
	path     string
	facts    *Facts
	warnings []string
}

// warn adds a warning. Warnings are stored in the clear: they count, and name nothing.
func (e *examiner) warn(format string, args ...any) {
	e.warnings = append(e.warnings, fmt.Sprintf(format, args...))
}

func (e *examiner) properties() error {
	f := e.facts
	for _, p := range []struct {
		query string
		into  any
	}{
		{"PRAGMA main.page_size", &f.PageSize},
		{"PRAGMA main.page_count", &f.Pages},
		{"PRAGMA main.encoding", &f.Encoding},
		{"PRAGMA main.journal_mode", &f.JournalMode},
		{"PRAGMA main.auto_vacuum", &f.AutoVacuum},
		{"PRAGMA main.user_version", &f.UserVersion},
		{"PRAGMA main.application_id", &f.ApplicationID},
		{"SELECT sqlite_version()", &f.SQLiteVersion},
	} {
		if err := e.conn.QueryRowContext(e.ctx, p.query).Scan(p.into); err != nil {
			return err
		}
	}
	return nil
}

func (e *examiner) notEmpty() error {
	if e.facts.Pages == 0 {
		return fmt.Errorf("%w: it has no pages", ErrEmpty)
	}
	var n int64
	if err := e.conn.QueryRowContext(e.ctx, "SELECT COUNT(*) FROM main.sqlite_schema WHERE type = 'table'").Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%w: it has no tables", ErrEmpty)
	}
	return nil
}

// integrity lets SQLite check the database. That takes every collation and function that
// its indexes use; where the application brought its own, only the structure can be
// checked, by Check, which is said and not hidden.
func (e *examiner) integrity(quick bool) error {
	e.facts.Checked = CheckedInFull
	if quick {
		e.facts.Checked = CheckedQuickly
	}
	err := e.runCheck(e.facts.Checked)
	if !lacksExtension(err) {
		return err
	}
	e.facts.Checked = CheckedStructure
	e.warn("the database uses an extension that this program lacks: its structure is checked, its indexes are not compared with their tables")
	return nil
}

func (e *examiner) runCheck(pragma string) error {
	var findings []string
	err := e.each(fmt.Sprintf("PRAGMA main.%s(%d)", pragma, maxFindings), func(rows *sql.Rows) error {
		var line string
		err := rows.Scan(&line)
		findings = append(findings, strings.TrimSpace(line))
		return err
	})
	if err != nil {
		return err
	}
	if len(findings) == 1 && findings[0] == "ok" {
		return nil
	}
	return snapshot.Damaged(e.path, "%s: %s", pragma, strings.Join(findings, "; "))
}

// foreignKeys counts rows whose parent is missing. Such a database is whole, it only lacks
// what the application promised itself, so this warns.
func (e *examiner) foreignKeys() error {
	perTable := map[string]int64{}
	err := e.each("PRAGMA main.foreign_key_check", func(rows *sql.Rows) error {
		var table, rowid, parent, key any
		if err := rows.Scan(&table, &rowid, &parent, &key); err != nil {
			return err
		}
		perTable[fmt.Sprint(table)]++
		e.facts.Violations++
		return nil
	})
	if lacksExtension(err) { // a key that names columns no index makes unique, or the like
		e.facts.Violations = 0
		e.warn("foreign keys could not be checked: SQLite cannot make sense of one of them")
		return nil
	}
	if err == nil && e.facts.Violations > 0 {
		e.warn("%d rows in %d tables have a foreign key without its parent", e.facts.Violations, len(perTable))
	}
	return err
}

func (e *examiner) schema() error {
	h := sha256.New()
	err := e.each("SELECT type, name, tbl_name, coalesce(sql, '') FROM main.sqlite_schema ORDER BY type, name", func(rows *sql.Rows) error {
		var kind, name, table, text string
		if err := rows.Scan(&kind, &name, &table, &text); err != nil {
			return err
		}
		_, err := fmt.Fprintf(h, "%q %q %q %q\n", kind, name, table, text)
		return err
	})
	h.Sum(e.facts.SchemaSHA256[:0])
	return err
}

// tables lists every table, the schema itself first, and counts the rows of each.
func (e *examiner) tables() error {
	e.facts.Tables = []Table{{Name: "sqlite_schema", Root: 1}}
	const list = `SELECT s.name, s.rootpage, l.wr, l.type = 'virtual' FROM main.sqlite_schema s
		JOIN pragma_table_list l ON l.schema = 'main' AND l.name = s.name WHERE s.type = 'table' ORDER BY s.name`
	err := e.each(list, func(rows *sql.Rows) error {
		var t Table
		err := rows.Scan(&t.Name, &t.Root, &t.WithoutRowid, &t.Virtual)
		e.facts.Tables = append(e.facts.Tables, t)
		return err
	})
	if err != nil {
		return err
	}
	for i := range e.facts.Tables {
		t := &e.facts.Tables[i]
		if t.Virtual {
			t.Root, t.WithoutRowid = 0, false
			continue
		}
		count := "SELECT COUNT(*) FROM main." + quote(t.Name)
		if e.facts.Checked == CheckedStructure {
			count += " NOT INDEXED" // an index would want its collation
		}
		if err := e.conn.QueryRowContext(e.ctx, count).Scan(&t.Rows); err != nil {
			return fmt.Errorf("counting table %q: %w", t.Name, err)
		}
	}
	return nil
}

func (e *examiner) indexes() error {
	const list = `SELECT s.name, s.tbl_name, s.rootpage, coalesce(l.partial, 1) FROM main.sqlite_schema s
		LEFT JOIN pragma_index_list(s.tbl_name, 'main') l ON l.name = s.name WHERE s.type = 'index' AND s.rootpage > 0 ORDER BY s.name`
	return e.each(list, func(rows *sql.Rows) error {
		var x Index
		err := rows.Scan(&x.Name, &x.Table, &x.Root, &x.Partial)
		e.facts.Indexes = append(e.facts.Indexes, x)
		return err
	})
}

// each runs query and calls row for each row of its answer.
func (e *examiner) each(query string, row func(*sql.Rows) error) (err error) {
	rows, err := e.conn.QueryContext(e.ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
