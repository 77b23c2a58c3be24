package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"

	"holdfast/restore"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// A move puts a schema under another name: the dump's own is needed while its scripts run, so
// what the target has under it is set aside for that time, within the transaction.
type move struct {
	from, to string
	aside    string // what the target's own schema is called meanwhile; empty: it has none
}

// ErrSchemas means that Schema was given for a dump that cannot be put under another name.
var ErrSchemas = errors.New("the dump cannot be put into another schema")

// moves returns the one schema of the dump that is to get another name.
func (l *loading) moves() (from string, ok bool) {
	if l.Schema == "" {
		return "", false
	}
	from = onlySchema(l.plan)
	return from, from != l.Schema
}

// onlySchema is the schema of everything in the plan that has one; empty if there are several or none.
func onlySchema(p *plan) string {
	one := ""
	for _, e := range p.entries() {
		name := e.Schema
		if e.Type == "SCHEMA" {
			name = e.Name
		}
		if name == "-" || name == "" {
			continue
		}
		if one != "" && one != name {
			return ""
		}
		one = name
	}
	return one
}

// movable refuses what would not survive another name.
func (l *loading) movable() error {
	if l.Schema == "" {
		return nil
	}
	from := onlySchema(l.plan)
	if from == "" {
		return fmt.Errorf("%w: it has not exactly one", ErrSchemas)
	}
	for _, e := range l.facts.Extensions {
		if e.Schema == from {
			return fmt.Errorf("%w: extension %s is in schema %s", ErrSchemas, e.Name, from)
		}
	}
	for _, e := range l.entries() {
		if (e.Type == "FUNCTION" || e.Type == "PROCEDURE") && mentions(e, from) {
			l.note("%s may name schema %s in its body, which stays as it is", title(e), from)
		}
	}
	return nil
}

// mentions reports whether the schema's name comes up in a function more often than in its head and owner.
func mentions(e script.Entry, schema string) bool {
	_, body, ok := strings.Cut(e.SQL, "AS ")
	return ok && strings.Contains(strings.SplitN(body, "\nALTER ", 2)[0], schema)
}

// setAside makes room for the dump's schema.
func (l *loading) setAside(ctx context.Context, c *link.Conn) (*move, error) {
	if err := l.movable(); err != nil {
		return nil, err
	}
	from, ok := l.moves()
	if !ok {
		return nil, nil
	}
	m := &move{from: from, to: l.Schema}
	if err := m.vacate(ctx, c, l); err != nil {
		return nil, err
	}
	there, err := hasSchema(ctx, c, m.from)
	if err != nil {
		return nil, err
	}
	if there {
		m.aside = "holdfast_aside_" + strings.ToLower(rand.Text()[:12])
		if err := rename(ctx, c, m.from, m.aside); err != nil {
			return nil, err
		}
	}
	return m, m.make(ctx, c, l.plan)
}

// vacate drops the schema whose name the dump is to get, if it is empty. Nothing tells what of
// another is still wanted.
func (m *move) vacate(ctx context.Context, c *link.Conn, l *loading) error {
	there, err := hasSchema(ctx, c, m.to)
	if err != nil || !there {
		return err
	}
	err = c.Exec(ctx, "DROP SCHEMA "+pq.QuoteIdentifier(m.to))
	var refused *link.Error
	if errors.As(err, &refused) && refused.Code == "2BP01" { // dependent objects still exist
		return fmt.Errorf("%w: schema %s is there and holds something", restore.ErrOccupied, m.to)
	}
	if err != nil {
		return fmt.Errorf("dropping the empty schema %s: %w", m.to, err)
	}
	l.note("schema %s was there, empty, and was replaced with its grants", m.to)
	return nil
}

// make makes the schema unless the dump does, as it does not for public.
func (m *move) make(ctx context.Context, c *link.Conn, p *plan) error {
	for _, e := range p.pre {
		if e.Type == "SCHEMA" && e.Name == m.from && creates(e) {
			return nil
		}
	}
	if err := c.Exec(ctx, "CREATE SCHEMA "+pq.QuoteIdentifier(m.from)); err != nil {
		return fmt.Errorf("creating schema %s: %w", m.from, err)
	}
	return nil
}

// back gives both schemas the names they are to have.
func (m *move) back(ctx context.Context, c *link.Conn) error {
	if m == nil {
		return nil
	}
	if err := rename(ctx, c, m.from, m.to); err != nil {
		return err
	}
	if m.aside == "" {
		return nil
	}
	return rename(ctx, c, m.aside, m.from)
}

func rename(ctx context.Context, c *link.Conn, from, to string) error {
	if err := c.Exec(ctx, "ALTER SCHEMA "+pq.QuoteIdentifier(from)+" RENAME TO "+pq.QuoteIdentifier(to)); err != nil {
		return fmt.Errorf("renaming schema %s to %s: %w", from, to, err)
	}
	return nil
}

func hasSchema(ctx context.Context, c *link.Conn, name string) (bool, error) {
	rows, err := c.Query(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)", name)
	if err != nil {
		return false, fmt.Errorf("looking for schema %s: %w", name, err)
	}
	return text(rows[0][0]) == "t", nil
}
