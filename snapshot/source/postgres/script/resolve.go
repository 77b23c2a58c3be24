package script

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// A Querier is a *sql.Tx or *sql.DB of the database that was dumped. To see
// what pg_dump saw it has to be a transaction with the same snapshot.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Resolve completes what Dump returned with what the catalogue knows: what each entry needs, what
// it is a part of, its exact name. It numbers the entries anew.
func Resolve(ctx context.Context, q Querier, pre, post *Script) error {
	r := &resolver{entries: map[object]*Entry{}, byName: map[Relation]object{}, edges: map[object][]edge{}}
	err := r.names(ctx, q)
	if err == nil {
		err = r.depends(ctx, q)
	}
	if err != nil {
		return fmt.Errorf("asking what depends on what: %w", err)
	}
	both(pre, post, r.index)
	r.connect()
	both(pre, post, r.attach)
	shells(pre, post)
	if err := r.describe(ctx, q); err != nil {
		return fmt.Errorf("asking what depends on what: %w", err)
	}
	Number(pre, post)
	return nil
}

// An object is a row of the catalogue.
type object struct{ class, oid uint32 }

type edge struct {
	to   object
	kind string // deptype
}

type resolver struct {
	entries map[object]*Entry
	byName  map[Relation]object
	named   map[object]Relation
	edges   map[object][]edge
	lacking []lack
}

type lack struct {
	entry *Entry
	of    object
}

const classRelation = 1259 // pg_class, in every version

const firstNormal = 16384 // objects below are the system's own

const namesQuery = `SELECT c.oid, n.nspname, c.relname
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I') AND c.oid >= 16384`

func (r *resolver) names(ctx context.Context, q Querier) error {
	rows, err := q.QueryContext(ctx, namesQuery)
	if err != nil {
		return err
	}
	defer rows.Close()
	r.named = map[object]Relation{}
	for rows.Next() {
		o := object{class: classRelation}
		var n Relation
		if err := rows.Scan(&o.oid, &n.Schema, &n.Name); err != nil {
			return err
		}
		r.byName[n], r.named[o] = o, n
	}
	return rows.Err()
}

// dependsQuery leaves out what would make a partition need its parent: pg_dump defines partitions,
// their indexes and keys by themselves and attaches them afterwards. What the server clones for
// partitions is not dumped and needs what its original does; except triggers that are switched
// otherwise than it.
const dependsQuery = `SELECT d.classid, d.objid, d.refclassid, d.refobjid, d.deptype
	FROM pg_catalog.pg_depend d
	WHERE d.deptype <> 'p' AND (d.deptype <> 'P' OR d.classid = 'pg_catalog.pg_trigger'::regclass) AND d.objid >= 16384
	AND NOT (d.deptype = 'a' AND d.classid = 'pg_catalog.pg_class'::regclass
		AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0
		AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = d.objid AND i.inhparent = d.refobjid))
	AND NOT (d.classid = 'pg_catalog.pg_constraint'::regclass
		AND EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = d.objid AND k.contype = 'f' AND k.conparentid <> 0))
	AND NOT (d.classid = 'pg_catalog.pg_trigger'::regclass
		AND EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.oid = d.objid AND t.tgisinternal))`

func (r *resolver) depends(ctx context.Context, q Querier) error {
	rows, err := q.QueryContext(ctx, dependsQuery)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var from object
		var e edge
		if err := rows.Scan(&from.class, &from.oid, &e.to.class, &e.to.oid, &e.kind); err != nil {
			return err
		}
		r.edges[from] = append(r.edges[from], e)
	}
	return rows.Err()
}

// index notes which entry defines which object, and gives relations their exact names.
func (r *resolver) index(e *Entry) {
	o := object{e.Class, e.OID}
	if o.class == 0 || o.oid == 0 || r.entries[o] != nil {
		return
	}
	r.entries[o] = e
	if n, ok := r.named[o]; ok {
		e.Schema, e.Name = n.Schema, n.Name
	}
}

// owner finds the entry that defines o: its own, or that of what o is an inner part of, as
// a row type is of its table and a function of its extension. If there is none, it
// returns the outermost object it got to.
func (r *resolver) owner(o object) (*Entry, object) {
	for range 16 { // chains are short: a loop is a damaged catalogue
		if e := r.entries[o]; e != nil {
			return e, o
		}
		out, ok := r.outer(o)
		if !ok {
			return nil, o
		}
		o = out
	}
	return nil, o
}

// outer is what o is an inner part of.
func (r *resolver) outer(o object) (object, bool) {
	for _, kinds := range []string{"ie", "P", "a"} {
		for _, e := range r.edges[o] {
			if slices.Contains([]byte(kinds), e.kind[0]) && e.to != o {
				return e.to, true
			}
		}
	}
	return object{}, false
}
