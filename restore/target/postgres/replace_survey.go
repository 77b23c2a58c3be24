package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"holdfast/restore"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// A room is the place in a database that the dump is to take: what of the dump is there already, what
// of that gives way and what stays.
type room struct {
	empty bool                     // the database has nothing of its own
	twins map[int]script.Entry     // by number in the dump: what the database has under the same name
	stays map[int]bool             // by number in the dump: it is not created again
	gone  map[object]bool          // what was dropped
	kept  map[object]*kept         // tables and sequences that stay, since something else depends on them
	again []foreignKey             // from outside, to be made again
	stood map[script.Relation]bool // sequences that stay
	// Of those, the ones that tables outside of the dump take numbers from, too.
	shared map[script.Relation]bool
}

// An object is a row of the catalogue.
type object struct{ class, oid uint32 }

// A kind of object and its name are what makes two entries twins.
type key struct{ kind, schema, name string }

func keyOf(e script.Entry) key { return key{e.Type, e.Schema, e.Name} }

// survey finds out, before the transaction begins, what of the dump the database has.
func (l *loading) survey(ctx context.Context) (*room, error) {
	r := &room{twins: map[int]script.Entry{}, stays: map[int]bool{}, gone: map[object]bool{},
		kept: map[object]*kept{}, stood: map[script.Relation]bool{}, shared: map[script.Relation]bool{}}
	there, err := l.standing(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("looking at what is there: %w", err)
	}
	if from, ok := l.moves(); ok { // what has the schema's name is set aside
		for k := range there {
			if k.schema == from || k.kind == "SCHEMA" && k.name == from {
				delete(there, k)
			}
		}
	}
	for _, e := range l.entries() {
		if twin, ok := there[keyOf(e)]; ok {
			r.twins[e.ID] = twin
		}
	}
	return r, nil
}

func (p *plan) entries() []script.Entry { return slices.Concat(p.pre, p.post) }

// standing lists what the database has. Schemas and extensions are there in an empty one, too.
func (l *loading) standing(ctx context.Context, r *room) (there map[key]script.Entry, err error) {
	there = map[key]script.Entry{}
	c, err := l.server.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, hangUp(ctx, c)) }()
	if r.empty, err = empty(ctx, c); err != nil {
		return nil, err
	}
	rows, err := c.Query(ctx, `SELECT 'SCHEMA', nspname FROM pg_catalog.pg_namespace
		UNION ALL SELECT 'EXTENSION', extname FROM pg_catalog.pg_extension`)
	if err != nil {
		return nil, err
	}
	if !r.empty {
		if err := l.dumpStanding(ctx, c, there); err != nil {
			return nil, err
		}
	}
	for _, row := range rows {
		k := key{text(row[0]), "-", text(row[1])}
		if _, ok := there[k]; !ok {
			there[k] = script.Entry{Type: k.kind, Schema: k.schema, Name: k.name}
		}
	}
	return there, nil
}

func (l *loading) dumpStanding(ctx context.Context, c *link.Conn, there map[key]script.Entry) error {
	closed, err := l.closed(ctx, c)
	if err != nil {
		return err
	}
	program, err := script.FindFor(ctx, l.server, l.Program)
	if err != nil {
		return err
	}
	pre, post, err := script.Dump(ctx, l.server, script.Options{Program: program, Exclude: closed})
	if err != nil {
		return err
	}
	db, err := l.server.DB()
	if err != nil {
		return err
	}
	err = script.Resolve(ctx, db, pre, post) // for the exact names
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	for _, e := range slices.Concat(pre.Entries, post.Entries) {
		there[keyOf(e)] = e
	}
	return nil
}

// closed are the tables that the role may not read and the dump does not have: pg_dump could not lock them.
func (l *loading) closed(ctx context.Context, c *link.Conn) ([]script.Relation, error) {
	rows, err := c.Query(ctx, `SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
			AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))`)
	if err != nil {
		return nil, fmt.Errorf("asking for rights on tables: %w", err)
	}
	inDump := map[script.Relation]bool{}
	for _, e := range l.entries() {
		inDump[e.Relation()] = true
	}
	var list []script.Relation
	for _, row := range rows {
		if t := (script.Relation{Schema: text(row[0]), Name: text(row[1])}); !inDump[t] {
			list = append(list, t)
		}
	}
	return list, nil
}

// empty reports whether a database has no object of its own: the system's have numbers below 16384.
func empty(ctx context.Context, c *link.Conn) (bool, error) {
	var any []string
	for _, catalog := range []string{"class", "proc", "type", "namespace", "extension", "operator", "collation", "cast",
		"ts_config", "ts_dict", "publication", "event_trigger", "foreign_data_wrapper", "default_acl", "largeobject_metadata"} {
		any = append(any, "EXISTS (SELECT FROM pg_catalog.pg_"+catalog+" WHERE oid >= 16384)")
	}
	rows, err := c.Query(ctx, "SELECT NOT ("+strings.Join(any, " OR ")+")")
	if err != nil {
		return false, err
	}
	return text(rows[0][0]) == "t", nil
}

// holdsData are the kinds of entries whose twin is never taken for the dump's.
var holdsData = map[string]bool{"TABLE": true, "SEQUENCE": true, "MATERIALIZED VIEW": true, "FOREIGN TABLE": true}

// conflicts are the entries of the dump whose twin may not stay as it is.
func (r *room) conflicts(p *plan) []script.Entry {
	var list []script.Entry
	for _, e := range p.pre {
		twin, ok := r.twins[e.ID]
		if ok && e.Of == 0 && twin.OID != 0 && (holdsData[e.Type] || !same(e, twin)) {
			list = append(list, e)
		}
	}
	return list
}

// occupied is the error about all conflicts at once.
func occupied(conflicts []script.Entry) error {
	var found restore.Problems
	for _, e := range conflicts {
		if holdsData[e.Type] {
			found = append(found, fmt.Errorf("%w: %s is there", restore.ErrOccupied, title(e)))
		} else {
			found = append(found, fmt.Errorf("%w: %s is there and is not what the dump has", restore.ErrOccupied, title(e)))
		}
	}
	return found.ErrOrNil()
}

var ownership = regexp.MustCompile(`^ALTER [A-Z ]+ .* OWNER TO [^;]+;$`)

// same reports whether two entries define the same, whoever owns it.
func same(a, b script.Entry) bool { return slices.Equal(definition(a), definition(b)) }

func definition(e script.Entry) []string {
	return slices.DeleteFunc(e.Statements(), ownership.MatchString)
}

// twinOf is what the database has by the name of a sequence of the dump.
func (r *room) twinOf(sequence script.Relation) script.Entry {
	for _, twin := range r.twins {
		if twin.Type == "SEQUENCE" && twin.Relation() == sequence {
			return twin
		}
	}
	return script.Entry{}
}

// settle decides, once nothing more is dropped, what is not created again.
func (r *room) settle(p *plan) error {
	var differ []script.Entry
	for _, e := range p.entries() {
		twin, there := r.twins[e.ID]
		switch {
		case r.empty && e.Type == "SCHEMA":
			r.stays[e.ID] = there && creates(e)
		case r.stays[e.Of] && !r.empty && (twin.OID == 0 || twin.Class == 0 || !there):
			// A comment or grant stays as it is; an index or the like that is lacking is made.
			r.stays[e.ID] = there || remark(e)
		case !there || r.gone[object{twin.Class, twin.OID}]:
		case e.Of != 0 && !r.stays[e.Of]:
		default:
			r.stays[e.ID] = true
			if e.Type != "SCHEMA" && e.Type != "EXTENSION" && !same(e, twin) {
				differ = append(differ, e)
			}
		}
	}
	for _, e := range p.entries() {
		if e.Type == "SEQUENCE" && r.stays[e.ID] {
			r.stood[e.Relation()] = true
		}
	}
	return occupied(differ)
}

// remark reports whether e says something about an object instead of making one.
func remark(e script.Entry) bool {
	return grants(e) || e.Type == "COMMENT" || e.Type == "SECURITY LABEL"
}

// creates tells a schema that is made from one that is always there and only changed.
func creates(e script.Entry) bool {
	return slices.ContainsFunc(e.Statements(), func(s string) bool { return strings.HasPrefix(s, "CREATE SCHEMA ") })
}

// without takes from the stages what stays.
func (r *room) without(s stages) stages {
	for _, list := range []*[]script.Entry{&s.first, &s.main, &s.guards, &s.grants, &s.last} {
		*list = slices.DeleteFunc(slices.Clone(*list), func(e script.Entry) bool { return r.stays[e.ID] })
	}
	return s
}
