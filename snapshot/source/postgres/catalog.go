package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lib/pq"
)

// A relation is a table, view or sequence as the catalogue has it.
type relation struct {
	oid uint32
	name
	kind        byte     // relkind: r, p, f, v, m, S
	persistence byte     // p, or u for unlogged
	partition   bool     // a partition of another
	parents     []uint32 // tables it is a partition or child of
	owner       uint32   // of a sequence: the table whose column it goes with, 0 if none
	extension   string   // that it belongs to
	readable    bool     // SELECT is granted, and USAGE of its schema
	filtered    bool     // row-level security would apply

	// Read once the table is locked.
	file       uint32 // relfilenode
	heap       bool   // kept by PostgreSQL's own table access method
	bytes      int64  // with TOAST
	pages      int64  // without
	estimate   float64
	columns    []column
	definition string // digest of all that the text of its rows depends on, if it is stable
	stable     bool   // its rows keep their text unless they are written or the definition changes
}

// A column is one that COPY reads.
type column struct {
	Name     string
	number   int
	typ      uint32
	notNull  bool
	identity bool
	deflt    string
}

// isTable reports whether r is a table of the database, with rows of its own or of its partitions.
func (r *relation) isTable() bool { return r.kind == 'r' || r.kind == 'p' }

// hasRows reports whether r has rows of its own that belong into a dump.
func (r *relation) hasRows() bool { return r.kind == 'r' }

func (r *relation) kindName() string {
	switch r.kind {
	case 'r', 'p':
		return "table"
	case 'f':
		return "foreign table"
	case 'v':
		return "view"
	case 'm':
		return "materialized view"
	case 'S':
		return "sequence"
	}
	return "relation"
}

// A querier is a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// collect runs a query and scans every row of its answer.
func collect[T any](ctx context.Context, q querier, scan func(*sql.Rows, *T) error, query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var v T
		if err := scan(rows, &v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// ours leaves out what belongs to the server itself or to one session.
const ours = `n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_'`

// readRelations lists every relation that a selection may name. It takes no locks.
func readRelations(ctx context.Context, q querier) ([]*relation, error) {
	all, err := collect(ctx, q, func(rows *sql.Rows, r **relation) error {
		*r = &relation{}
		return (*r).scan(rows)
	}, `SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relispartition,
			(SELECT array_agg(inhparent::int8 ORDER BY inhseqno) FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid),
			COALESCE((SELECT d.refobjid FROM pg_catalog.pg_depend d WHERE c.relkind = 'S' AND d.classid = 'pg_catalog.pg_class'::regclass
				AND d.objid = c.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i') LIMIT 1), 0),
			COALESCE((SELECT extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
				WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
				AND d.refclassid = 'pg_catalog.pg_extension'::regclass LIMIT 1), ''),
			COALESCE(has_schema_privilege(n.oid, 'USAGE') AND
				CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END, false),
			CASE WHEN c.relrowsecurity THEN row_security_active(c.oid) ELSE false END
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND c.relpersistence <> 't' AND `+ours+`
		ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("listing tables: %w", err)
	}
	return all, nil
}

func (r *relation) scan(rows *sql.Rows) error {
	var kind, persistence string
	var parents []int64
	err := rows.Scan(&r.oid, &r.Schema, &r.Name, &kind, &persistence, &r.partition,
		pq.Array(&parents), &r.owner, &r.extension, &r.readable, &r.filtered)
	if err != nil {
		return err
	}
	r.kind, r.persistence = kind[0], persistence[0]
	for _, p := range parents {
		r.parents = append(r.parents, uint32(p))
	}
	return nil
}

// readSchemas lists the schemas that a selection may name.
func readSchemas(ctx context.Context, q querier) ([]string, error) {
	all, err := collect(ctx, q, func(rows *sql.Rows, s *string) error { return rows.Scan(s) },
		`SELECT nspname FROM pg_catalog.pg_namespace n WHERE `+ours+` ORDER BY nspname COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("listing schemas: %w", err)
	}
	return all, nil
}

// describe fills in what is only certain of a locked table: its file, size and columns.
func describe(ctx context.Context, q querier, tables []*relation) error {
	byOID, ids := map[uint32]*relation{}, make([]int64, len(tables))
	for i, t := range tables {
		byOID[t.oid], ids[i] = t, int64(t.oid)
		t.columns = nil
	}
	_, err := collect(ctx, q, func(rows *sql.Rows, _ *struct{}) error {
		var oid uint32
		var f relation
		if err := rows.Scan(&oid, &f.file, &f.heap, &f.bytes, &f.pages, &f.estimate); err != nil {
			return err
		}
		t := byOID[oid]
		t.file, t.heap, t.bytes, t.pages, t.estimate = f.file, f.heap, f.bytes, f.pages, f.estimate
		return nil
	}, `SELECT c.oid, COALESCE(pg_relation_filenode(c.oid), 0), COALESCE(a.amname = 'heap', false),
			COALESCE(pg_table_size(c.oid), 0), COALESCE(pg_relation_size(c.oid), 0) / current_setting('block_size')::int8, c.reltuples
		FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
		WHERE c.oid = ANY ($1)`, pq.Array(ids))
	if err != nil {
		return fmt.Errorf("measuring tables: %w", err)
	}
	_, err = collect(ctx, q, func(rows *sql.Rows, _ *struct{}) error {
		var oid uint32
		var c column
		if err := rows.Scan(&oid, &c.number, &c.Name, &c.typ, &c.notNull, &c.identity, &c.deflt); err != nil {
			return err
		}
		byOID[oid].columns = append(byOID[oid].columns, c)
		return nil
	}, `SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
				WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated AND a.attnum = ANY (k.conkey)),
			a.attidentity <> '',
			COALESCE(pg_get_expr(d.adbin, d.adrelid), '')
		FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		ORDER BY a.attrelid, a.attnum`, pq.Array(ids))
	if err != nil {
		return fmt.Errorf("reading columns: %w", err)
	}
	return nil
}
