package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/lib/pq"
)

// sequencesOf returns the sequences to dump: all that were selected, and those that the selected
// tables own or take defaults from.
func sequencesOf(ctx context.Context, q querier, selected, all []*relation) ([]*relation, error) {
	wanted := map[uint32]bool{}
	var tables []int64
	for _, r := range selected {
		if r.kind == 'S' {
			wanted[r.oid] = true
		} else {
			tables = append(tables, int64(r.oid))
		}
	}
	used, err := collect(ctx, q, func(rows *sql.Rows, oid *uint32) error { return rows.Scan(oid) },
		`SELECT d.objid FROM pg_catalog.pg_depend d
		WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
			AND d.deptype IN ('a', 'i') AND d.refobjid = ANY ($1)
		UNION
		SELECT d.refobjid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid
		WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
			AND a.adrelid = ANY ($1)`, pq.Array(tables))
	if err != nil {
		return nil, fmt.Errorf("looking for sequences: %w", err)
	}
	for _, oid := range used {
		wanted[oid] = true
	}
	var found []*relation
	for _, r := range all {
		if r.kind == 'S' && wanted[r.oid] && r.extension == "" {
			found = append(found, r)
		}
	}
	return found, nil
}

// position returns the statement that puts a sequence where it is. Sequences know no transactions: the
// value read is at least as far as any that the rows of the snapshot have.
func position(ctx context.Context, q querier, s *relation) (string, error) {
	var last int64
	var called bool
	if err := q.QueryRowContext(ctx, "SELECT last_value, is_called FROM "+s.quoted()).Scan(&last, &called); err != nil {
		return "", fmt.Errorf("reading the sequence %s: %w", s.name, err)
	}
	// The string is read with standard_conforming_strings on, as the whole of a dump is.
	quoted := "'" + strings.ReplaceAll(s.quoted(), "'", "''") + "'"
	return fmt.Sprintf("SELECT pg_catalog.setval(%s, %d, %t);\n", quoted, last, called), nil
}
