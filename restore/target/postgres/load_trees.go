package postgres

import (
	"context"
	"fmt"
	"slices"

	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// A tree is a partitioned table whose rows have to find their partitions anew: it is partitioned by
// the hash of an enum, which is a hash of a number that the label gets when the type is made.
type tree struct {
	script.Relation
}

const treesQuery = `SELECT rn.nspname, r.relname, ln.nspname, l.relname
	FROM pg_catalog.pg_partitioned_table u
	JOIN pg_catalog.pg_class r ON r.oid = u.partrelid JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
	CROSS JOIN LATERAL pg_catalog.pg_partition_tree(u.partrelid) p
	JOIN pg_catalog.pg_class l ON l.oid = p.relid JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace
	WHERE p.isleaf AND u.partstrat = 'h' AND (SELECT o.oid FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod
		WHERE o.opcname = 'enum_ops' AND o.opcnamespace = 'pg_catalog'::pg_catalog.regnamespace AND a.amname = 'hash') = ANY (u.partclass)`

// findTrees finds out which tables have to be loaded by way of a tree; where one is within another, by the outer.
func (l *loading) findTrees(ctx context.Context, c *link.Conn) error {
	rows, err := c.Query(ctx, treesQuery)
	if err != nil {
		return fmt.Errorf("looking at how tables are partitioned: %w", err)
	}
	leaves := map[script.Relation][]script.Relation{}
	for _, row := range rows {
		root, leaf := script.Relation{Schema: text(row[0]), Name: text(row[1])}, script.Relation{Schema: text(row[2]), Name: text(row[3])}
		leaves[root] = append(leaves[root], leaf)
	}
	for _, t := range l.tables {
		t.via = nil
		size := 0
		for root, of := range leaves {
			if len(of) > size && slices.Contains(of, script.Relation{Schema: t.schema, Name: t.name}) {
				t.via, size = &tree{Relation: root}, len(of)
			}
		}
	}
	return nil
}

// A proof is what is read back at once: a table, or all tables of a tree.
type proof struct {
	name   string
	from   string // what to copy out
	tables []*table
}

func (l *loading) proofs() []proof {
	var list []proof
	byTree := map[script.Relation]int{}
	for _, t := range l.tables {
		if t.via == nil {
			list = append(list, proof{t.String(), t.quoted() + t.columnList(), []*table{t}})
			continue
		}
		i, ok := byTree[t.via.Relation]
		if !ok {
			i = len(list)
			byTree[t.via.Relation] = i
			from := "(SELECT " + t.columnNames() + " FROM " + qualified(t.via.Schema, t.via.Name) + ")"
			list = append(list, proof{name: t.via.String(), from: from})
		}
		list[i].tables = append(list[i].tables, t)
	}
	return list
}

// want is what the dump has of it all.
func (p proof) want() (rows, bytes int64, digest source.Digest) {
	for _, t := range p.tables {
		r, d := t.want()
		rows, bytes, digest = rows+r, bytes+t.bytes(), digest.Add(d)
	}
	return rows, bytes, digest
}
