package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"holdfast/snapshot"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// A Source dumps tables, schemas or the whole of the database of Server. The zero values of the
// other fields are good: the whole database.
type Source struct {
	Server *link.Server
	Selection

	Full        bool          // read every row, whatever is known to be unchanged
	FullEvery   time.Duration // read every row if that was last done so long ago; 0: 7 days
	Workers     int           // connections that read rows; 0: 2
	Program     string        // pg_dump; empty: the newest found
	LockTimeout time.Duration // how long the dump waits for a lock, or lets others wait for its own; 0: 30 s
	PartSize    int64         // bytes of a table in one part; 0: by its size
	Log         *slog.Logger  // nil discards
}

var (
	_ snapshot.Source = (*Source)(nil)
	_ snapshot.Sized  = (*Source)(nil)
)

const (
	defaultFullEvery   = 7 * 24 * time.Hour
	defaultWorkers     = 2
	defaultLockTimeout = 30 * time.Second
)

// Dump writes the dump of one instant. It returns nil only if every row of every table that was
// selected is in it, or was proven to be what the snapshot before has.
func (s *Source) Dump(ctx context.Context, d snapshot.Dump) error {
	if err := s.withDefaults().dump(ctx, d); err != nil {
		return fmt.Errorf("reading %s: %w", s.Server, err)
	}
	return nil
}

// Preflight finds out whether a dump could be taken: that the server answers and is not too old, a
// pg_dump for it is here, everything that was asked for is there, and the role may read all of it.
func (s *Source) Preflight(ctx context.Context) (warnings []string, err error) {
	db, err := s.Server.DB()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	version, _, err := serverVersion(ctx, s.Server, db)
	if err != nil {
		return nil, err
	}
	if _, err := script.Find(ctx, s.Program, version); err != nil {
		return nil, err
	}
	c, err := look(ctx, db, s.Selection)
	if err != nil {
		return nil, err
	}
	return append(c.warnings, s.Server.Warnings()...), nil
}

// Size implements snapshot.Sized.
func (s *Source) Size(ctx context.Context) (n int64, err error) {
	db, err := s.Server.DB()
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", s.Server, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if n, err = s.size(ctx, db); err != nil {
		return 0, fmt.Errorf("measuring %s: %w", s.Server, err)
	}
	return n, nil
}

func (s *Source) size(ctx context.Context, db *sql.DB) (int64, error) {
	c, err := look(ctx, db, s.Selection)
	if err != nil {
		return 0, err
	}
	tables := c.withRows()
	if err := describe(ctx, db, tables); err != nil {
		return 0, err
	}
	return totalBytes(tables), nil
}

func (s *Source) withDefaults() *Source {
	c := *s
	if c.FullEvery == 0 {
		c.FullEvery = defaultFullEvery
	}
	if c.Workers == 0 {
		c.Workers = defaultWorkers
	}
	if c.LockTimeout == 0 {
		c.LockTimeout = defaultLockTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &c
}

func (s *Source) dump(ctx context.Context, d snapshot.Dump) (err error) {
	server, err := s.Server.Resolve(ctx)
	if err != nil {
		return err
	}
	db, err := server.DB()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	version, product, err := serverVersion(ctx, server, db)
	if err != nil {
		return err
	}
	program, err := script.Find(ctx, s.Program, version)
	if err != nil {
		return err
	}
	session, chosen, err := s.open(ctx, server, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.close()) }()
	r := &run{Source: s, d: d, session: session, chosen: chosen, program: program, version: version, product: product}
	return r.dump(ctx)
}

// openTries bounds how often tables may come and go between choosing and locking them.
const openTries = 5

// open pins an instant at which the tables that were locked for it are those selected.
func (s *Source) open(ctx context.Context, server *link.Server, db *sql.DB) (*session, *chosen, error) {
	for try := 1; ; try++ {
		before, err := look(ctx, db, s.Selection)
		if err != nil {
			return nil, nil, err
		}
		session, err := begin(ctx, server, db, s.LockTimeout, before.tables())
		if err != nil {
			if try < openTries && gone(err) {
				continue
			}
			return nil, nil, err
		}
		after, err := look(ctx, session.tx, s.Selection)
		if err == nil && after.locked(before) {
			return session, after, nil
		}
		if err == nil && try == openTries {
			err = fmt.Errorf("%w: tables came, went or were renamed %d times in a row", ErrChanged, try)
		}
		if err = errors.Join(err, session.close()); err != nil {
			return nil, nil, err
		}
	}
}

// locked reports whether the tables of c are those of before, under the same names.
func (c *chosen) locked(before *chosen) bool {
	now, then := c.tables(), before.tables()
	if len(now) != len(then) {
		return false
	}
	for i := range now {
		if now[i].oid != then[i].oid || now[i].name != then[i].name {
			return false
		}
	}
	return true
}

func totalBytes(tables []*relation) int64 {
	var n int64
	for _, t := range tables {
		n += t.bytes
	}
	return n
}
