package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"

	"holdfast/restore"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// clear makes room for the dump. Without Replace anything in the way is refused. With it, tables
// and what else differs are dropped, unless something that is not in the dump depends on them. A
// table that has the dump's definition then stays and is only emptied; any other is refused.
func (r *room) clear(ctx context.Context, c *link.Conn, l *loading) error {
	conflicts := r.conflicts(l.plan)
	if len(conflicts) > 0 && !l.Replace {
		return occupied(conflicts)
	}
	if len(conflicts) > 0 {
		if err := r.replace(ctx, c, l, conflicts); err != nil {
			return err
		}
	}
	return r.settle(l.plan)
}

func (r *room) replace(ctx context.Context, c *link.Conn, l *loading, conflicts []script.Entry) error {
	entries, roots := r.roots(conflicts)
	g, err := reached(ctx, c, roots)
	if err != nil {
		return err
	}
	if err := r.lock(ctx, c, l.plan, g); err != nil {
		return err
	}
	if g, err = reached(ctx, c, roots); err != nil { // what came until it was locked
		return err
	}
	f, err := r.decide(g, roots, entries)
	if err != nil {
		return err
	}
	r.findShared(g)
	if err := r.empties(ctx, c, l); err != nil {
		return err
	}
	if err := r.drop(ctx, c, g, f, roots); err != nil {
		return err
	}
	for _, what := range g.lostParts(f, r.ours()) {
		l.note("%s is not in the dump and went with what was replaced", what)
	}
	for o := range f.with {
		r.gone[o] = true
	}
	return nil
}

// roots are the catalogue's objects that are to be replaced, and the dump's entries by them.
func (r *room) roots(conflicts []script.Entry) (entries map[object]script.Entry, roots []object) {
	entries = map[object]script.Entry{}
	for _, e := range conflicts {
		o := object{r.twins[e.ID].Class, r.twins[e.ID].OID}
		entries[o] = e
		roots = append(roots, o)
	}
	return entries, roots
}

// lock keeps everyone from making something new depend on the tables and views that are to be replaced. What
// depends on others comes before them, as in a query that reads a view: locks taken in another order than
// the application's would end in a deadlock.
func (r *room) lock(ctx context.Context, c *link.Conn, p *plan, g *reach) error {
	for _, e := range slices.Backward(p.entries()) {
		twin := r.twins[e.ID]
		if _, affected := g.nodes[object{twin.Class, twin.OID}]; !affected || e.Of != 0 {
			continue
		}
		sql := ""
		switch e.Type {
		case "TABLE":
			sql = "LOCK TABLE ONLY " + qualified(e.Schema, e.Name) + " IN ACCESS EXCLUSIVE MODE"
		case "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE":
			// LOCK would lock what a view reads as well, and takes no others. This changes nothing.
			sql = "ALTER TABLE " + qualified(e.Schema, e.Name) + " OWNER TO " + pq.QuoteIdentifier(twin.Owner)
		default:
			continue
		}
		if err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("locking %s: %w", title(e), err)
		}
	}
	return nil
}

// ours are the objects of the database that the dump has as well.
func (r *room) ours() map[object]bool {
	ours := map[object]bool{}
	for id, twin := range r.twins {
		if o := (object{twin.Class, twin.OID}); o.oid != 0 && id != 0 {
			ours[o] = true
		}
	}
	return ours
}

// decide finds out which roots have to be kept, until nothing that stays depends on what falls.
func (r *room) decide(g *reach, roots []object, entries map[object]script.Entry) (fall, error) {
	ours := r.ours()
	for _, o := range roots {
		if !g.partOfOther(o, roots) {
			continue
		}
		if err := r.keep(g, o, roots, entries, "it is a partition of a table that is not in the dump"); err != nil {
			return fall{}, err
		}
	}
	for {
		f := g.fall(slices.DeleteFunc(slices.Clone(roots), func(o object) bool { return r.kept[o] != nil }), ours, r.kept)
		if len(f.blockers) == 0 {
			return f, nil
		}
		before := len(r.kept)
		for blocker, root := range f.blockers {
			if e := entries[root]; e.Type != "TABLE" && e.Type != "SEQUENCE" {
				return f, blocked(g, f, blocker, e)
			}
			if err := r.keep(g, root, roots, entries, g.nodes[blocker].what+" is not in the dump and depends on it"); err != nil {
				return f, blocked(g, f, blocker, entries[root])
			}
		}
		if len(r.kept) == before {
			return f, fmt.Errorf("%w: what is to be replaced and what stays depend on each other: %s",
				restore.ErrOccupied, strings.Join(g.names(f.blockers), ", "))
		}
	}
}

func blocked(g *reach, f fall, blocker object, e script.Entry) error {
	if e.Type == "" {
		return fmt.Errorf("%w: %s depends on what is to be replaced and is not in the dump", restore.ErrOccupied, g.nodes[blocker].what)
	}
	return fmt.Errorf("replacing %s, whose definition is not the dump's: %w: what is not in the dump depends on it: %s",
		title(e), restore.ErrOccupied, strings.Join(g.names(f.blockers), ", "))
}

// partOfOther reports whether o is a partition of a table that is not replaced with it: to drop it would
// take it out of that table.
func (g *reach) partOfOther(o object, roots []object) bool {
	if k := g.nodes[o].kind; k != "r" && k != "p" {
		return false
	}
	for _, d := range g.on[o] {
		if d.on.class == o.class && d.kind == 'a' && !slices.Contains(roots, d.on) {
			return true
		}
	}
	return false
}

// keep keeps a root, and all the roots that make a tree of partitions or of inheritance with it. They must be
// as the dump has them.
func (r *room) keep(g *reach, o object, roots []object, entries map[object]script.Entry, because string) error {
	if r.kept[o] != nil {
		return nil
	}
	e := entries[o]
	if !same(e, r.twins[e.ID]) {
		return fmt.Errorf("replacing %s: %w: it cannot be dropped and its definition is not the dump's", title(e), restore.ErrOccupied)
	}
	r.kept[o] = &kept{object: o, relation: e.Relation(), kind: g.nodes[o].kind, because: because}
	for _, other := range roots {
		if g.inherits(other, o) || g.inherits(o, other) {
			if err := r.keep(g, other, roots, entries, because); err != nil {
				return err
			}
		}
	}
	return nil
}

// inherits reports whether the table child has parent for a parent.
func (g *reach) inherits(child, parent object) bool {
	k := g.nodes[child].kind
	return (k == "r" || k == "p") && slices.ContainsFunc(g.on[child], func(d dependence) bool {
		return d.on == parent && (d.kind == 'a' || d.kind == 'n')
	})
}

// drop drops what falls. It says CASCADE because decide has shown that all that goes is made again.
func (r *room) drop(ctx context.Context, c *link.Conn, g *reach, f fall, roots []object) error {
	for _, o := range roots {
		if _, falls := f.with[o]; !falls {
			continue
		}
		there, err := r.exists(ctx, c, o)
		if err != nil {
			return err
		}
		if !there {
			continue // it went with another
		}
		if err := c.Exec(ctx, "DROP "+g.nodes[o].command+" CASCADE"); err != nil {
			return fmt.Errorf("dropping %s: %w", g.nodes[o].what, err)
		}
	}
	return nil
}

func (r *room) exists(ctx context.Context, c *link.Conn, o object) (bool, error) {
	rows, err := c.Query(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = $1::oid AND objid = $2::oid)",
		fmt.Sprint(o.class), fmt.Sprint(o.oid))
	if err != nil {
		return false, fmt.Errorf("asking what is left: %w", err)
	}
	return text(rows[0][0]) == "t", nil
}
