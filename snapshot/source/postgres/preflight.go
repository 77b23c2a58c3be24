package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// oldest is the first server_version_num that is supported.
const oldest = 120000

// look finds out what is to be dumped, and refuses what would not come out whole. It is done
// before anything is written, and again inside the transaction.
func look(ctx context.Context, q querier, s Selection) (*chosen, error) {
	all, err := readRelations(ctx, q)
	if err != nil {
		return nil, err
	}
	schemas, err := readSchemas(ctx, q)
	if err != nil {
		return nil, err
	}
	c, err := choose(s, all, schemas)
	if err != nil {
		return nil, err
	}
	return c, c.check(ctx, q, s)
}

// check names everything of a kind that stands in the way at once.
func (c *chosen) check(ctx context.Context, q querier, s Selection) error {
	var err error
	if c.sequences, err = sequencesOf(ctx, q, c.relations, c.all); err != nil {
		return err
	}
	for _, refuse := range []func() error{c.denied, c.filtered, c.foreign, c.orphans, c.owned} {
		if err := refuse(); err != nil {
			return err
		}
	}
	if err := c.configured(ctx, q, s); err != nil {
		return err
	}
	if s.Whole() && !slices.Contains(s.Exclude, LargeObjects) {
		return noLargeObjects(ctx, q)
	}
	return nil
}

// denied refuses tables and sequences that the role may not read.
func (c *chosen) denied() error {
	unreadable := only(append(c.tables(), c.sequences...), func(r *relation) bool { return !r.readable })
	if len(unreadable) == 0 {
		return nil
	}
	return fmt.Errorf("%w: the role needs SELECT on %s, and USAGE of their schemas", ErrDenied, list(names(unreadable)))
}

// filtered refuses tables of which row-level security shows the role a part only.
func (c *chosen) filtered() error {
	hidden := only(c.tables(), func(r *relation) bool { return r.filtered })
	if len(hidden) == 0 {
		return nil
	}
	return fmt.Errorf("%w: policies are in force for the role on %s; use a role with BYPASSRLS", ErrFiltered, list(names(hidden)))
}

// foreign refuses tables whose rows are elsewhere.
func (c *chosen) foreign() error {
	foreign := only(c.relations, func(r *relation) bool { return r.kind == 'f' })
	if len(foreign) == 0 {
		return nil
	}
	return fmt.Errorf("%w: the rows of foreign tables are on other servers: %s; exclude them", ErrUnsupported, list(names(foreign)))
}

// orphans refuses partitions and children without what they belong to.
func (c *chosen) orphans() error {
	in := map[uint32]bool{}
	for _, r := range c.relations {
		in[r.oid] = true
	}
	alone := only(c.tables(), func(r *relation) bool {
		return slices.ContainsFunc(r.parents, func(p uint32) bool { return !in[p] })
	})
	if len(alone) == 0 {
		return nil
	}
	return fmt.Errorf("%w without the tables that they are partitions or children of: %s; select those", ErrUnsupported, list(names(alone)))
}

// owned refuses tables that an extension makes, and that a dump has no definition of.
func (c *chosen) owned() error {
	owned := only(c.relations, func(r *relation) bool { return r.extension != "" && r.kind != 'S' })
	if len(owned) == 0 {
		return nil
	}
	return fmt.Errorf("%w: they belong to extensions: %s", ErrUnsupported, list(names(owned)))
}

// configured refuses rows that users added to tables of extensions. They are not part of any table
// that is dumped, and would be missing.
func (c *chosen) configured(ctx context.Context, q querier, s Selection) error {
	if !s.Whole() {
		return nil
	}
	type settings struct {
		oid       uint32
		condition string
	}
	tables, err := collect(ctx, q, func(rows *sql.Rows, t *settings) error { return rows.Scan(&t.oid, &t.condition) },
		`SELECT u.config, COALESCE(u.condition, '') FROM pg_catalog.pg_extension e,
			unnest(e.extconfig, e.extcondition) u(config, condition)`)
	if err != nil {
		return fmt.Errorf("looking at extensions: %w", err)
	}
	_, excluded := splitPatterns(s.Exclude)
	var filled []string
	for _, t := range tables {
		i := slices.IndexFunc(c.all, func(r *relation) bool { return r.oid == t.oid })
		if i < 0 || !c.all[i].hasRows() || slices.ContainsFunc(excluded, func(p Pattern) bool { return p.match(c.all[i].name) }) {
			continue
		}
		r := c.all[i]
		if !r.readable {
			return fmt.Errorf("%w: the role needs SELECT on %s, a table of the extension %s", ErrDenied, r.name, r.extension)
		}
		var some bool
		if err := q.QueryRowContext(ctx, fmt.Sprintf("SELECT EXISTS (SELECT FROM ONLY %s %s)", r.quoted(), t.condition)).Scan(&some); err != nil {
			return fmt.Errorf("looking at %s of the extension %s: %w", r.name, r.extension, err)
		}
		if some {
			filled = append(filled, r.name.String())
		}
	}
	if len(filled) == 0 {
		return nil
	}
	return fmt.Errorf("%w: rows that were added to tables of extensions: %s; exclude them", ErrUnsupported, list(filled))
}

// splitPatterns reads patterns that have been read once without error.
func splitPatterns(texts []string) (largeObjects bool, patterns []Pattern) {
	for _, text := range texts {
		if text == LargeObjects {
			largeObjects = true
		} else if p, err := ParsePattern(text); err == nil {
			patterns = append(patterns, p)
		}
	}
	return largeObjects, patterns
}

func noLargeObjects(ctx context.Context, q querier) error {
	var n int64
	if err := q.QueryRowContext(ctx, `SELECT count(*) FROM pg_catalog.pg_largeobject_metadata`).Scan(&n); err != nil {
		return fmt.Errorf("counting large objects: %w", err)
	}
	if n > 0 {
		return fmt.Errorf("%w: the database has %d large objects; exclude %q if they are not needed", ErrUnsupported, n, LargeObjects)
	}
	return nil
}

// noUnlogged refuses tables that a standby does not have the rows of.
func (c *chosen) noUnlogged() error {
	unlogged := only(c.withRows(), func(r *relation) bool { return r.persistence == 'u' })
	if len(unlogged) == 0 {
		return nil
	}
	return fmt.Errorf("%w: the server is a standby, which has no rows of unlogged tables: %s; exclude them or dump the primary",
		ErrUnsupported, list(names(unlogged)))
}

// outside lists the foreign keys from what is selected to what is not.
func (c *chosen) outside(ctx context.Context, q querier) ([]Outside, error) {
	var ids []int64
	for _, t := range c.tables() {
		ids = append(ids, int64(t.oid))
	}
	found, err := collect(ctx, q, func(rows *sql.Rows, o *Outside) error {
		return rows.Scan(&o.Schema, &o.Table, &o.Constraint, &o.ToSchema, &o.ToTable)
	}, `SELECT n.nspname, t.relname, c.conname, fn.nspname, f.relname
		FROM pg_catalog.pg_constraint c
		JOIN pg_catalog.pg_class t ON t.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
		JOIN pg_catalog.pg_class f ON f.oid = c.confrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
		WHERE c.contype = 'f' AND c.conparentid = 0 AND c.conrelid = ANY ($1) AND c.confrelid <> ALL ($1)
		ORDER BY 1, 2, 3`, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("looking for foreign keys: %w", err)
	}
	return found, nil
}

func (o Outside) String() string {
	return fmt.Sprintf("%s to %s", strings.Join([]string{display(o.Schema), display(o.Table), display(o.Constraint)}, "."), name{o.ToSchema, o.ToTable})
}
