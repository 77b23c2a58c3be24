package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// leaveOut takes out of the plan, if SkipMissing asks for it, what needs roles or tables that are
// not there, and notes each.
func (l *loading) leaveOut(ctx context.Context) (err error) {
	if !l.SkipMissing {
		return nil
	}
	c, err := l.server.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hangUp(ctx, c)) }()
	if err := l.leaveOutRoles(ctx, c); err != nil {
		return fmt.Errorf("looking for roles: %w", err)
	}
	if err := l.leaveOutKeys(ctx, c); err != nil {
		return fmt.Errorf("looking for tables that foreign keys refer to: %w", err)
	}
	return nil
}

func (l *loading) leaveOutRoles(ctx context.Context, c *link.Conn) error {
	rows, err := c.Query(ctx, "SELECT rolname FROM pg_catalog.pg_roles")
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, row := range rows {
		there[text(row[0])] = true
	}
	missing := func(role string) bool { return !there[role] }
	for _, entries := range []*[]script.Entry{&l.pre, &l.post} {
		s, left := (&script.Script{Entries: *entries}).WithoutRoles(missing)
		*entries = s.Entries
		for _, what := range left {
			l.note("left out: %s", what)
		}
	}
	return nil
}

// leaveOutKeys drops foreign keys to tables that are neither in the plan nor in the target.
func (l *loading) leaveOutKeys(ctx context.Context, c *link.Conn) error {
	made := map[script.Relation]bool{}
	for _, e := range l.pre {
		if e.Type == "TABLE" {
			made[e.Relation()] = true
		}
	}
	left := map[int]bool{}
	for _, e := range l.post {
		_, to, ok := e.ForeignKey()
		if !ok || made[to] {
			continue
		}
		there, err := l.hasTable(ctx, c, to)
		if err != nil {
			return err
		}
		if !there {
			left[e.ID] = true
			l.note("left out: foreign key %s, since %s is not there", e.Name, to)
		}
	}
	l.post = slices.DeleteFunc(slices.Clone(l.post), func(e script.Entry) bool { return left[e.ID] || left[e.Of] })
	return nil
}

// hasTable reports whether a foreign key can refer to a table of the target.
func (l *loading) hasTable(ctx context.Context, c *link.Conn, t script.Relation) (bool, error) {
	if from, moves := l.moves(); l.Create || moves && from == t.Schema {
		return false, nil
	}
	rows, err := c.Query(ctx, "SELECT pg_catalog.to_regclass($1) IS NOT NULL", qualified(t.Schema, t.Name))
	if err != nil {
		return false, err
	}
	return text(rows[0][0]) == "t", nil
}
