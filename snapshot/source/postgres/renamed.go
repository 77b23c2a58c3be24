package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lib/pq"
)

// moved lists the relations that are not called now what they were called at the dump's instant. The
// lock on a table keeps its name, but not that of its schema; and what is read by name is read
// by the name that holds at that moment, so a schema that took another's place would be read instead.
func moved(ctx context.Context, q querier, relations []*relation) ([]string, error) {
	ids := make([]int64, len(relations))
	for i, r := range relations {
		ids[i] = int64(r.oid)
	}
	now := map[uint32]name{}
	_, err := collect(ctx, q, func(rows *sql.Rows, _ *struct{}) error {
		var oid uint32
		var n name
		err := rows.Scan(&oid, &n.Schema, &n.Name)
		now[oid] = n
		return err
	}, `SELECT c.oid, n.nspname, c.relname
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1)`, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("looking for tables that were renamed: %w", err)
	}
	var others []string
	for _, r := range relations {
		if now[r.oid] != r.name {
			others = append(others, r.name.String())
		}
	}
	return others, nil
}
