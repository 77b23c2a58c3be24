package postgres

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// define gives each table the digest of all that decides how the bytes of a row become text:
// columns with their numbers, types and missing values, and each type down to its labels and
// attributes. A table is stable if there is nothing else.
func define(ctx context.Context, q querier, version int, tables []*relation) error {
	ids := make([]int64, len(tables))
	for i, t := range tables {
		ids[i] = int64(t.oid)
	}
	var money string
	if err := q.QueryRowContext(ctx, `SELECT current_setting('lc_monetary')`).Scan(&money); err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	types, err := readTypes(ctx, q, version, ids)
	if err != nil {
		return fmt.Errorf("reading types: %w", err)
	}
	columns, err := readLayout(ctx, q, ids)
	if err != nil {
		return fmt.Errorf("reading columns: %w", err)
	}
	for _, t := range tables {
		h := sha256.New()
		fmt.Fprintf(h, "money %q\n", money)
		known := true
		for _, c := range columns[t.oid] {
			text, ok := types.describe(c.typ, 0)
			known = known && ok
			fmt.Fprintf(h, "column %s %s\n", c.text, text)
		}
		t.definition, t.stable = hex.EncodeToString(h.Sum(nil)), known
	}
	return nil
}

type layout struct {
	typ  uint32
	text string
}

// readLayout reads the columns of tables, dropped ones included by the numbers of the others.
func readLayout(ctx context.Context, q querier, ids []int64) (map[uint32][]layout, error) {
	columns := map[uint32][]layout{}
	_, err := collect(ctx, q, func(rows *sql.Rows, _ *struct{}) error {
		var table uint32
		var l layout
		if err := rows.Scan(&table, &l.typ, &l.text); err != nil {
			return err
		}
		columns[table] = append(columns[table], l)
		return nil
	}, `SELECT attrelid, atttypid, concat_ws(' ', attnum, quote_ident(attname), atttypmod, attndims, attlen, attalign, attgenerated,
			CASE WHEN atthasmissing THEN quote_literal(attmissingval::text) END)
		FROM pg_catalog.pg_attribute WHERE attrelid = ANY ($1) AND attnum > 0 AND NOT attisdropped
		ORDER BY attrelid, attnum`, pq.Array(ids))
	return columns, err
}

// A typeInfo is what a type's text depends on.
type typeInfo struct {
	name
	kind      byte // typtype: b, c, d, e, m, r
	builtin   bool
	element   uint32 // of an array
	base      uint32 // of a domain
	parts     []layout
	subtype   uint32 // of a range, or the range of a multirange
	labels    []string
	extension string
}

type typeSet map[uint32]*typeInfo

// plain are the types of pg_catalog whose text is made of the value alone. Others (reg*, aclitem,
// pg_node_tree) look into catalogues that change under them.
var plain = strings.Fields(`bit bool box bpchar bytea char cid cidr circle date float4 float8 inet int2 int2vector int4 int8
	interval json jsonb jsonpath line lseg macaddr macaddr8 money name numeric oid oidvector path pg_lsn pg_snapshot point polygon
	refcursor text tid time timestamp timestamptz timetz tsquery tsvector txid_snapshot uuid varbit varchar xid xid8 xml`)

// trusted are extensions whose types have kept their text through all their versions.
var trusted = []string{"citext", "hstore", "ltree"}

// deepest bounds the nesting of types. No type can hold itself, so the catalogue has to be odd to pass it.
const deepest = 64

// describe says all that the text of a type depends on, and whether that is all.
func (ts typeSet) describe(oid uint32, depth int) (string, bool) {
	t := ts[oid]
	if t == nil || depth > deepest {
		return "", false
	}
	in := func(oid uint32) (string, bool) { return ts.describe(oid, depth+1) }
	head := fmt.Sprintf("%d %s %c", oid, t.name, t.kind)
	switch {
	case t.element != 0:
		text, ok := in(t.element)
		return head + "[" + text + "]", ok
	case t.kind == 'd':
		text, ok := in(t.base)
		return head + "(" + text + ")", ok
	case t.kind == 'e':
		return fmt.Sprintf("%s%q", head, t.labels), true
	case t.kind == 'r', t.kind == 'm':
		text, ok := in(t.subtype)
		return head + "<" + text + ">", ok
	case t.kind == 'c':
		known := true
		for _, p := range t.parts {
			text, ok := in(p.typ)
			head, known = head+"{"+p.text+" "+text+"}", known && ok
		}
		return head, known
	case t.builtin:
		return head, slices.Contains(plain, t.Name)
	}
	extension, _, _ := strings.Cut(t.extension, " ")
	return head + " " + t.extension, slices.Contains(trusted, extension)
}

// readTypes reads the types of all columns of the tables, and those that these are made of.
func readTypes(ctx context.Context, q querier, version int, ids []int64) (typeSet, error) {
	multirange := "0::oid"
	if version >= 140000 {
		multirange = "COALESCE((SELECT rngtypid FROM pg_catalog.pg_range WHERE rngmultitypid = t.oid), 0)"
	}
	types := typeSet{}
	_, err := collect(ctx, q, func(rows *sql.Rows, _ *struct{}) error {
		var oid, ranged, multi uint32
		var kind string
		t := &typeInfo{}
		if err := rows.Scan(&oid, &t.Schema, &t.Name, &kind, &t.builtin, &t.element, &t.base, &ranged, &multi, pq.Array(&t.labels), &t.extension); err != nil {
			return err
		}
		t.kind, t.subtype = kind[0], ranged+multi // one of them is 0
		types[oid] = t
		return nil
	}, `WITH RECURSIVE used(oid) AS (
			SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = ANY ($1) AND attnum > 0 AND NOT attisdropped
			UNION
			SELECT x.oid FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid, LATERAL (
				SELECT t.typelem UNION ALL SELECT t.typbasetype
				UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
				UNION ALL SELECT rngsubtype FROM pg_catalog.pg_range WHERE rngtypid = t.oid
				UNION ALL SELECT `+multirange+`) x(oid)
			WHERE x.oid <> 0)
		SELECT t.oid, n.nspname, t.typname, t.typtype, n.nspname = 'pg_catalog' AND t.oid < 16384,
			CASE WHEN t.typcategory = 'A' AND t.typlen = -1 THEN t.typelem ELSE 0::oid END, t.typbasetype,
			COALESCE((SELECT rngsubtype FROM pg_catalog.pg_range WHERE rngtypid = t.oid), 0), `+multirange+`,
			(SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_catalog.pg_enum WHERE enumtypid = t.oid),
			COALESCE((SELECT extname || ' ' || extversion FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
				WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
				AND d.refclassid = 'pg_catalog.pg_extension'::regclass LIMIT 1), '')
		FROM used JOIN pg_catalog.pg_type t ON t.oid = used.oid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace`, pq.Array(ids))
	if err != nil {
		return nil, err
	}
	return types, readAttributes(ctx, q, types)
}

// readAttributes adds the attributes of composite types.
func readAttributes(ctx context.Context, q querier, types typeSet) error {
	var ids []int64
	for oid, t := range types {
		if t.kind == 'c' {
			ids = append(ids, int64(oid))
		}
	}
	_, err := collect(ctx, q, func(rows *sql.Rows, _ *struct{}) error {
		var owner uint32
		var l layout
		if err := rows.Scan(&owner, &l.typ, &l.text); err != nil {
			return err
		}
		types[owner].parts = append(types[owner].parts, l)
		return nil
	}, `SELECT t.oid, a.atttypid, concat_ws(' ', a.attnum, quote_ident(a.attname), a.atttypmod,
			CASE WHEN a.atthasmissing THEN quote_literal(a.attmissingval::text) END)
		FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid
		WHERE t.oid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY t.oid, a.attnum`, pq.Array(ids))
	return err
}
