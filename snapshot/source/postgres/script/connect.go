package script

import (
	"context"
	"fmt"
	"slices"

	"github.com/lib/pq"
)

// connect turns what depends on what in the catalogue into needs of entries.
func (r *resolver) connect() {
	for o, edges := range r.edges {
		from, _ := r.owner(o)
		if from == nil {
			continue
		}
		for _, e := range edges {
			to, root := r.owner(e.to)
			switch {
			case to == nil && root.oid >= firstNormal:
				r.lacking = append(r.lacking, lack{from, root})
			case to != nil && to != from:
				from.Needs = append(from.Needs, to.ID)
			}
		}
	}
}

// parts are the types of entries that are about a relation or domain and fall with it. The
// catalogue says which: they depend on it automatically or internally.
var parts = map[string]bool{
	"DEFAULT": true, "SEQUENCE": true, "INDEX": true, "CONSTRAINT": true, "CHECK CONSTRAINT": true, "FK CONSTRAINT": true,
	"TRIGGER": true, "POLICY": true, "RULE": true, "STATISTICS": true, "PUBLICATION TABLE": true,
}

// attach finds what e is a part of. Entries that are no objects of the catalogue tell it by
// what pg_dump itself made them depend on, or by their statement alone.
func (r *resolver) attach(e *Entry) {
	switch {
	case parts[e.Type]:
		e.Of = r.partOf(e)
	case e.Type == "COMMENT" || e.Type == "ACL" || e.Type == "SECURITY LABEL":
		if len(e.Needs) > 0 {
			e.Of = slices.Min(e.Needs) // a grant on columns also comes after the one on their table
		}
	case e.Type == "TABLE ATTACH" || e.Type == "INDEX ATTACH":
		parent, child := r.at(e, 0), r.at(e, 1)
		e.Of = child
		e.need(parent, child)
	case e.Type == "SEQUENCE OWNED BY":
		e.Of = r.at(e, 0)
		e.need(e.Of, r.at(e, 1))
	case e.Type == "ROW SECURITY":
		e.Of = r.at(e, 0)
		e.need(e.Of)
	}
}

func (r *resolver) partOf(e *Entry) int {
	for _, d := range r.edges[object{e.Class, e.OID}] {
		if d.kind != "a" && d.kind != "i" && d.kind != "S" {
			continue
		}
		// A table's sequence is a part of it, not of its schema, and so on: the relation comes first.
		if to, _ := r.owner(d.to); to != nil && to != e && whole[to.Type] {
			return to.ID
		}
	}
	return 0
}

// whole are the types of entries that have parts.
var whole = map[string]bool{"TABLE": true, "VIEW": true, "MATERIALIZED VIEW": true, "FOREIGN TABLE": true, "DOMAIN": true}

// at is the entry of the i-th relation that e's statement names.
func (r *resolver) at(e *Entry, i int) int {
	n, ok := relationAt(e.SQL, i)
	if !ok {
		return 0
	}
	to, _ := r.owner(r.byName[n])
	if to == nil {
		return 0
	}
	return to.ID
}

func (e *Entry) need(ids ...int) {
	for _, id := range ids {
		if id != 0 {
			e.Needs = append(e.Needs, id)
		}
	}
}

// shells makes a base type a part of the shell that is made before its functions, so that
// whoever picks such a function does not end with a shell.
func shells(pre, post *Script) {
	made := map[Relation]int{}
	both(pre, post, func(e *Entry) {
		if e.Type == "SHELL TYPE" {
			made[e.Relation()] = e.ID
		}
	})
	both(pre, post, func(e *Entry) {
		if id := made[e.Relation()]; id != 0 && e.Type == "TYPE" {
			e.Of = id
			e.need(id)
		}
	})
}

const describeQuery = `SELECT pg_catalog.pg_describe_object(o.class, o.id, 0)
	FROM unnest($1::pg_catalog.oid[], $2::pg_catalog.oid[]) WITH ORDINALITY AS o (class, id, n) ORDER BY o.n`

// describe names what entries lack in the server's words.
func (r *resolver) describe(ctx context.Context, q Querier) error {
	if len(r.lacking) == 0 {
		return nil
	}
	var classes, oids []int64
	for _, l := range r.lacking {
		classes, oids = append(classes, int64(l.of.class)), append(oids, int64(l.of.oid))
	}
	rows, err := q.QueryContext(ctx, describeQuery, pq.Array(classes), pq.Array(oids))
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for ; rows.Next() && n < len(r.lacking); n++ {
		var text *string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if e := r.lacking[n].entry; text != nil && !slices.Contains(e.Lacks, *text) {
			e.Lacks = append(e.Lacks, *text)
			slices.Sort(e.Lacks)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if n != len(r.lacking) {
		return fmt.Errorf("%d of %d objects described", n, len(r.lacking))
	}
	return nil
}
