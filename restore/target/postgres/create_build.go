package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// build loads everything into a new database: rows by several sessions, largest table first; then
// keys and indexes, two or more at once, while rows are read back; then, in order, what is left.
func (l *loading) build(ctx context.Context, s *link.Server) (err error) {
	c, err := l.connectLoose(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hangUp(ctx, c)) }()
	r := &room{empty: true, twins: map[int]script.Entry{}, stays: map[int]bool{}}
	if err := r.staySchemas(ctx, c, l.pre); err != nil {
		return err
	}
	move, err := l.setAside(ctx, c)
	if err != nil {
		return err
	}
	st := r.without(l.stages())
	if err := l.createFirst(ctx, c, st.first); err != nil {
		return err
	}
	if err := l.findTrees(ctx, c); err != nil {
		return err
	}
	list, rest := l.divide(st.main)
	open := func(ctx context.Context) (*link.Conn, error) { return l.connectLoose(ctx, s) }
	if err := newTasks(list).runAll(ctx, cmp.Or(l.Workers, 2), open); err != nil {
		return err
	}
	if err := l.create(ctx, c, rest); err != nil {
		return err
	}
	if err := l.setSequences(ctx, c, r); err != nil {
		return err
	}
	if err := l.verifySequences(ctx, c); err != nil {
		return err
	}
	if err := l.conclude(ctx, c, st); err != nil {
		return err
	}
	return move.back(ctx, c)
}

// staySchemas takes out schemas that every database has, such as public.
func (r *room) staySchemas(ctx context.Context, c *link.Conn, entries []script.Entry) error {
	for _, e := range entries {
		if e.Type != "SCHEMA" || !creates(e) {
			continue
		}
		there, err := hasSchema(ctx, c, e.Name)
		if err != nil {
			return err
		}
		r.stays[e.ID] = there
	}
	return nil
}

// connectLoose opens a session whose commits need not be durable one by one: the last one, which gives the
// database its name, is written after all of them.
func (l *loading) connectLoose(ctx context.Context, s *link.Server) (*link.Conn, error) {
	c, err := l.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := c.Exec(ctx, "SET synchronous_commit = off; SET lock_timeout = 0"); err != nil {
		return nil, errors.Join(err, hangUp(ctx, c))
	}
	return c, nil
}

func (l *loading) createFirst(ctx context.Context, c *link.Conn, first []script.Entry) error {
	if err := c.Exec(ctx, "BEGIN"); err != nil {
		return fmt.Errorf("beginning the transaction: %w", err)
	}
	if err := l.create(ctx, c, first); err != nil {
		return err
	}
	if err := c.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("committing the tables: %w", err)
	}
	return nil
}

// divide makes tasks of the rows and of the indexes on them; the rest is for one session, in order.
func (l *loading) divide(main []script.Entry) (list []*task, rest []script.Entry) {
	loads := map[string][]*task{}
	for _, t := range l.largestFirst() {
		loads[t.quoted()] = l.loadTasks(t)
		list = append(list, loads[t.quoted()]...)
	}
	indexed := map[string][]*task{}
	byID := map[int]*task{}
	names := map[int]string{}
	for _, e := range l.pre {
		names[e.ID] = qualified(e.Schema, e.Name)
	}
	for _, e := range main {
		table := names[e.Of]
		if e.Type != "INDEX" && e.Type != "CONSTRAINT" || loads[table] == nil {
			rest = append(rest, e)
			continue
		}
		x := &task{table: table, shared: e.Type == "INDEX", needs: slices.Clone(loads[table])}
		x.run = func(ctx context.Context, c *link.Conn) error { return l.createOne(ctx, c, e) }
		for _, id := range e.Needs {
			if n := byID[id]; n != nil {
				x.needs = append(x.needs, n)
			}
		}
		byID[e.ID] = x
		indexed[table] = append(indexed[table], x)
		list = append(list, x)
	}
	for _, proof := range l.proofs() {
		x := &task{shared: true, run: func(ctx context.Context, c *link.Conn) error { return l.verifyRows(ctx, c, proof) }}
		for _, t := range proof.tables {
			x.table = t.quoted()
			x.needs = append(x.needs, loads[t.quoted()]...)
		}
		if len(proof.tables) > 1 { // it reads many tables, whose locks it cannot say
			x.table = ""
			for _, t := range proof.tables {
				x.needs = append(x.needs, indexed[t.quoted()]...)
			}
		}
		list = append(list, x)
	}
	for _, t := range l.tables { // by the lock that it takes, it waits for the indexes anyway
		run := func(ctx context.Context, c *link.Conn) error { return l.analyzeOne(ctx, c, t) }
		list = append(list, &task{table: t.quoted(), needs: slices.Concat(loads[t.quoted()], indexed[t.quoted()]), run: run})
	}
	return list, rest
}

func (l *loading) largestFirst() []*table {
	return slices.SortedStableFunc(slices.Values(l.tables), func(a, b *table) int { return cmp.Compare(b.bytes(), a.bytes()) })
}

// worthSharing is the size from which a table may be loaded by several sessions.
const worthSharing = 64 << 20

// loadTasks loads a table by one session, in the order of the dump, unless it is large and far more than
// that session's share of all: half as much again, so that of two tables of about one size each has a session
// of its own. Then all sessions load it and take its parts in turn: neighbours stay near each other, but which
// of two parts comes first in the file is left to chance.
func (l *loading) loadTasks(t *table) []*task {
	var all int64
	for _, x := range l.tables {
		all += x.bytes()
	}
	workers := int64(cmp.Or(l.Workers, 2))
	if t.via != nil || len(t.parts) > 1 && t.bytes() > max(all/workers*3/2, worthSharing) {
		var list []*task
		for _, run := range t.runs(t.bytes() / (8 * workers)) {
			list = append(list, &task{table: t.quoted(), shared: true, run: func(ctx context.Context, c *link.Conn) error {
				return l.copyParts(ctx, c, t, run, false)
			}})
		}
		return list
	}
	return []*task{{table: t.quoted(), run: func(ctx context.Context, c *link.Conn) error { return l.loadFrozen(ctx, c, t) }}}
}

// runs cuts the parts of a table into runs of neighbours of about so many bytes each.
func (t *table) runs(size int64) [][]part {
	var all [][]part
	var held int64
	for _, p := range t.parts {
		if len(all) == 0 || held >= size {
			all, held = append(all, nil), 0
		}
		all[len(all)-1] = append(all[len(all)-1], p)
		held += p.info.Bytes
	}
	return all
}

// loadFrozen loads a whole table in the transaction that empties it, as the server demands of
// rows that are never to be written a second time.
func (l *loading) loadFrozen(ctx context.Context, c *link.Conn, t *table) error {
	if err := c.Exec(ctx, "BEGIN; TRUNCATE ONLY "+t.quoted()); err != nil {
		return fmt.Errorf("loading %s: %w", t, err)
	}
	if err := l.copyParts(ctx, c, t, t.parts, true); err != nil {
		return err
	}
	if err := c.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("loading %s: %w", t, err)
	}
	return nil
}
