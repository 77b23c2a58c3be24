package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"

	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// kept is a table or sequence that stays where it is and only gets the rows of the dump.
type kept struct {
	object   object
	relation script.Relation
	kind     string // of relation, as the catalogue has it
	because  string // of what it stays

	forced   bool // row security for its owner, too
	triggers [][2]string
}

// A foreignKey of a table that is not in the dump refers to one that is emptied.
type foreignKey struct {
	table, name, definition, comment string
}

func (k *kept) quoted() string { return qualified(k.relation.Schema, k.relation.Name) }

// keeps reports whether a table of the dump is one that stays.
func (r *room) keeps(t *table) bool {
	for _, k := range r.kept {
		if k.relation == (script.Relation{Schema: t.schema, Name: t.name}) {
			return true
		}
	}
	return false
}

// empties takes the rows out of the tables that stay, and makes them ready to be loaded: no
// trigger fires, no row is hidden. Foreign keys are dropped, since the server empties no table
// that one refers to, and made again afterwards, which checks them.
func (r *room) empties(ctx context.Context, c *link.Conn, l *loading) error {
	if len(r.kept) == 0 {
		return nil
	}
	if err := r.detach(ctx, c, l.plan); err != nil {
		return err
	}
	var with []string
	for _, k := range r.kept {
		if k.kind == "S" {
			continue
		}
		if err := k.ready(ctx, c); err != nil {
			return fmt.Errorf("emptying %s: %w", k.relation, err)
		}
		if k.kind == "p" {
			l.note("%s stayed where it was, since %s: the rows of partitions that are not in the dump stayed, too", k.relation, k.because)
			continue
		}
		with = append(with, "ONLY "+k.quoted())
		l.note("%s stayed where it was, since %s: its rows were replaced, its grants were not", k.relation, k.because)
	}
	if len(with) == 0 {
		return nil
	}
	slices.Sort(with)
	if err := c.Exec(ctx, "TRUNCATE "+strings.Join(with, ", ")); err != nil {
		return fmt.Errorf("emptying tables: %w", err)
	}
	return nil
}

// ready disables the triggers of users and row security, and remembers how they were.
func (k *kept) ready(ctx context.Context, c *link.Conn) error {
	rows, err := c.Query(ctx, "SELECT relforcerowsecurity FROM pg_catalog.pg_class WHERE oid = $1::oid", fmt.Sprint(k.object.oid))
	if err != nil {
		return err
	}
	k.forced = text(rows[0][0]) == "t"
	rows, err = c.Query(ctx, `SELECT pg_catalog.quote_ident(tgname), CASE tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END
		FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal AND tgenabled <> 'D' ORDER BY tgname`, fmt.Sprint(k.object.oid))
	if err != nil {
		return err
	}
	for _, row := range rows {
		k.triggers = append(k.triggers, [2]string{text(row[0]), text(row[1])})
		if err := c.Exec(ctx, "ALTER TABLE ONLY "+k.quoted()+" DISABLE TRIGGER "+text(row[0])); err != nil {
			return err
		}
	}
	if !k.forced {
		return nil
	}
	return c.Exec(ctx, "ALTER TABLE "+k.quoted()+" NO FORCE ROW LEVEL SECURITY")
}

// guard puts triggers and row security back.
func (r *room) guard(ctx context.Context, c *link.Conn) error {
	for _, k := range r.kept {
		for _, t := range k.triggers {
			if err := c.Exec(ctx, "ALTER TABLE ONLY "+k.quoted()+" "+t[1]+" TRIGGER "+t[0]); err != nil {
				return fmt.Errorf("enabling the triggers of %s: %w", k.relation, err)
			}
		}
		if !k.forced {
			continue
		}
		if err := c.Exec(ctx, "ALTER TABLE "+k.quoted()+" FORCE ROW LEVEL SECURITY"); err != nil {
			return fmt.Errorf("securing %s: %w", k.relation, err)
		}
	}
	return nil
}

// detach drops the foreign keys that refer to tables that stay. The dump makes its own again;
// the others are remembered.
func (r *room) detach(ctx context.Context, c *link.Conn, p *plan) error {
	var oids []string
	for o := range r.kept {
		oids = append(oids, fmt.Sprint(o.oid))
	}
	rows, err := c.Query(ctx, `SELECT k.oid, n.nspname, t.relname, k.conname, pg_catalog.pg_get_constraintdef(k.oid),
		pg_catalog.obj_description(k.oid, 'pg_constraint'), 'pg_catalog.pg_constraint'::regclass::oid
		FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class t ON t.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
		WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY ($1::oid[]) ORDER BY k.oid`, array(oids))
	if err != nil {
		return fmt.Errorf("asking for foreign keys: %w", err)
	}
	ours := map[key]bool{}
	for _, e := range p.post {
		ours[keyOf(e)] = true
	}
	for _, row := range rows {
		o, err := parseObject(text(row[6]), text(row[0]))
		if err != nil {
			return err
		}
		schema, name, constraint := text(row[1]), text(row[2]), text(row[3])
		fk := foreignKey{qualified(schema, name), constraint, text(row[4]), text(row[5])}
		if err := c.Exec(ctx, "ALTER TABLE "+fk.table+" DROP CONSTRAINT "+pq.QuoteIdentifier(constraint)); err != nil {
			return fmt.Errorf("dropping the foreign key %s of %s: %w", constraint, fk.table, err)
		}
		r.gone[o] = true
		if !ours[key{"FK CONSTRAINT", schema, name + " " + constraint}] {
			r.again = append(r.again, fk)
		}
	}
	return nil
}

// reattach makes the foreign keys from outside again, which checks them against the new rows.
func (r *room) reattach(ctx context.Context, c *link.Conn) error {
	for _, fk := range r.again {
		if err := c.Exec(ctx, "ALTER TABLE "+fk.table+" ADD CONSTRAINT "+pq.QuoteIdentifier(fk.name)+" "+fk.definition); err != nil {
			return fmt.Errorf("making the foreign key %s of %s again: %w", fk.name, fk.table, err)
		}
		if fk.comment == "" {
			continue
		}
		if err := c.Exec(ctx, "COMMENT ON CONSTRAINT "+pq.QuoteIdentifier(fk.name)+" ON "+fk.table+" IS "+pq.QuoteLiteral(fk.comment)); err != nil {
			return fmt.Errorf("commenting the foreign key %s of %s: %w", fk.name, fk.table, err)
		}
	}
	return nil
}
