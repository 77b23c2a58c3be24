package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"

	"holdfast/restore"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// loading is one load in progress.
type loading struct {
	*Target
	*plan
	server *link.Server // one host of Target's
	dump   restore.Dump
	log    *slog.Logger

	mu     sync.Mutex // of what follows
	loaded []restore.LoadedStream
	notes  []string
}

func (t *Target) load(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	p, err := t.plan(ctx, d)
	if err != nil {
		return restore.Loaded{}, err
	}
	l := &loading{Target: t, plan: p, dump: d, log: t.Log, loaded: p.read, notes: p.notes}
	if l.server, err = t.at(ctx); err != nil {
		return restore.Loaded{}, err
	}
	if err := l.leaveOut(ctx); err != nil {
		return restore.Loaded{}, err
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	start := time.Now()
	if t.Create {
		err = l.intoNew(ctx)
	} else {
		err = l.intoExisting(ctx)
	}
	if err != nil {
		return restore.Loaded{}, err
	}
	l.log.Debug("loaded", "tables", len(p.tables), "elapsed", time.Since(start))
	return restore.Loaded{Streams: l.loaded, Notes: l.notes}, nil
}

func (l *loading) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

// noteOnce is for what may come up with each of many objects.
func (l *loading) noteOnce(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.notes, text) {
		l.notes = append(l.notes, text)
	}
}

// settings are those of pg_dump's preamble that link does not make, and what a load wants. They hold to
// the end of the session.
const settings = `SET standard_conforming_strings = on; SET escape_string_warning = off;
SET check_function_bodies = off; SET xmloption = content; SET client_min_messages = warning;
SET default_tablespace = ''; SET default_table_access_method = heap; SET maintenance_work_mem = '256MB'`

// connect opens a session to load by.
func (l *loading) connect(ctx context.Context, s *link.Server) (*link.Conn, error) {
	c, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.Exec(ctx, settings); err != nil {
		return nil, errors.Join(fmt.Errorf("setting up the session: %w", err), hangUp(ctx, c))
	}
	c.OnNotice(func(_, message string) { l.noteOnce("the server warned: " + message) }) // of grants, say, that it did not make
	return c, nil
}

// hangUp ends a session, even if ctx ended: its transaction is rolled back by that.
func hangUp(ctx context.Context, c *link.Conn) error {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	return c.Close(ctx)
}

// cleanup is a context for what has to be done even if ctx ended.
func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

// create executes entries in order.
func (l *loading) create(ctx context.Context, c *link.Conn, entries []script.Entry) error {
	for _, e := range entries {
		if err := l.createOne(ctx, c, e); err != nil {
			return err
		}
	}
	return nil
}

func (l *loading) createOne(ctx context.Context, c *link.Conn, e script.Entry) error {
	if strings.TrimSpace(e.SQL) == "" {
		return nil
	}
	err := c.Exec(ctx, e.SQL)
	if err == nil {
		return nil
	}
	if exists(err) {
		err = fmt.Errorf("%w: %w", restore.ErrOccupied, err)
	}
	return fmt.Errorf("creating %s: %w", title(e), err)
}

// title names an entry for people.
func title(e script.Entry) string {
	name := e.Name
	if e.Schema != "" && e.Schema != "-" {
		name = e.Schema + "." + name
	}
	return strings.ToLower(e.Type) + " " + name
}

// exists reports whether the server refused to create what is there.
func exists(err error) bool {
	var e *link.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case "42P07", "42710", "42723", "42P06", "42P04": // relation or type, object, function, schema, database
		return true
	}
	return false
}

// copyIn is the statement that loads rows. Frozen rows need no second write later; the server
// takes them only into a table that this transaction made or emptied, so nobody sees them too early.
func copyIn(t *table, frozen bool) string {
	options := ""
	if frozen {
		options = " WITH (FREEZE)"
	}
	into := t.quoted()
	if t.via != nil {
		into = qualified(t.via.Schema, t.via.Name)
	}
	return "COPY " + into + t.columnList() + " FROM STDIN" + options
}

func (t *table) quoted() string { return qualified(t.schema, t.name) }

// columnList is empty for a table without columns, for which COPY has no spelling.
func (t *table) columnList() string {
	if len(t.columns) == 0 {
		return ""
	}
	return " (" + t.columnNames() + ")"
}

func (t *table) columnNames() string {
	list := make([]string, len(t.columns))
	for i, c := range t.columns {
		list[i] = pq.QuoteIdentifier(c)
	}
	return strings.Join(list, ", ")
}

func qualified(schema, name string) string {
	return pq.QuoteIdentifier(schema) + "." + pq.QuoteIdentifier(name)
}

func text(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}

// refresh fills the materialized views that were full.
func (l *loading) refresh(ctx context.Context, c *link.Conn) error {
	for _, v := range l.views {
		if err := c.Exec(ctx, "REFRESH MATERIALIZED VIEW "+qualified(v.Schema, v.Name)); err != nil {
			return fmt.Errorf("refreshing %s.%s: %w", v.Schema, v.Name, err)
		}
	}
	return nil
}

// analyze makes the planner know the rows.
func (l *loading) analyze(ctx context.Context, c *link.Conn) error {
	for _, t := range l.tables {
		if err := l.analyzeOne(ctx, c, t); err != nil {
			return err
		}
	}
	return nil
}

func (l *loading) analyzeOne(ctx context.Context, c *link.Conn, t *table) error {
	if err := c.Exec(ctx, "ANALYZE "+t.quoted()); err != nil {
		return fmt.Errorf("analyzing %s: %w", t, err)
	}
	return nil
}
