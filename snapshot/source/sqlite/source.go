package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"holdfast/snapshot"
)

const (
	defaultBusyTimeout = 10 * time.Second
	defaultMaxHold     = time.Hour
)

// A Source dumps the SQLite database at Path. The zero values of the other fields are good.
type Source struct {
	Path        string
	BusyTimeout time.Duration // how long to wait for a lock; 0 means 10 s
	MaxHold     time.Duration // how long the read transaction may last; 0 means 1 h
	Quick       bool          // quick_check: finds broken structure, not indexes that miss rows
}

var _ snapshot.Source = (*Source)(nil)

// Dump writes the database as one stream. It returns nil only if the database was intact
// and every page of it was written.
func (s *Source) Dump(ctx context.Context, d snapshot.Dump) error {
	err := s.dump(ctx, d)
	if err != nil && !names(err, s.Path) {
		return fmt.Errorf("reading %s: %w", s.Path, err)
	}
	return err
}

// names reports whether err says itself which file it is about.
func names(err error, path string) bool {
	if broken := (*fs.PathError)(nil); errors.As(err, &broken) {
		return broken.Path == path
	}
	damage := (*snapshot.Damage)(nil)
	return errors.As(err, &damage) && damage.Key == path
}

func (s *Source) dump(ctx context.Context, d snapshot.Dump) (err error) {
	if err := look(s.Path); err != nil {
		return err
	}
	path, err := filepath.Abs(s.Path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, or(s.MaxHold, defaultMaxHold), ErrHeld)
	defer cancel()
	db, conn, asOf, err := begin(ctx, path, or(s.BusyTimeout, defaultBusyTimeout))
	if err != nil {
		return Explain(ctx, s.Path, err)
	}
	defer func() { err = errors.Join(err, conn.Close(), db.Close()) }()
	facts, warnings, err := Examine(ctx, conn, s.Path, s.Quick)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		d.Warn(w)
	}
	if err := s.stream(ctx, conn, d, facts); err != nil {
		return overdue(ctx, err)
	}
	if held := time.Since(asOf); facts.JournalMode != "wal" {
		d.Warn(fmt.Sprintf("the database is not in WAL mode: commits had to wait for this dump, for %s at most", held.Round(time.Millisecond)))
	}
	d.About(about(asOf, facts))
	return nil
}

// busyPoll is how long SQLite itself waits for a lock, which nothing can interrupt.
const busyPoll = 200 * time.Millisecond

// begin opens the database and pins it, waiting for its lock no longer than busy or until ctx ends.
func begin(ctx context.Context, path string, busy time.Duration) (*sql.DB, *sql.Conn, time.Time, error) {
	for deadline := time.Now().Add(busy); ; {
		db, conn, err := Open(ctx, path, url.Values{"mode": {"ro"}}, min(busy, busyPoll))
		if err == nil {
			asOf, perr := pin(ctx, conn)
			if perr == nil {
				return db, conn, asOf, nil
			}
			err = errors.Join(perr, conn.Close(), db.Close())
		}
		if !isBusy(err) || ctx.Err() != nil || !time.Now().Before(deadline) {
			return nil, nil, time.Time{}, err
		}
	}
}

// pin begins the one read transaction of the dump and makes it choose its instant, which
// BEGIN alone leaves open. The time is taken before, so that everything committed by
// then is in the dump. Closing the connection ends the transaction.
func pin(ctx context.Context, conn *sql.Conn) (time.Time, error) {
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return time.Time{}, err
	}
	asOf := time.Now()
	var n int64
	return asOf, conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM main.sqlite_schema").Scan(&n)
}

// overdue says that MaxHold ended the dump, whatever the stream that it interrupted said.
func overdue(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), ErrHeld) && !errors.Is(err, ErrHeld) {
		return fmt.Errorf("%w: %w", ErrHeld, err)
	}
	return err
}

// StreamName is the name of the stream of the database at path: the name of the file.
func StreamName(path string) string {
	if name := filepath.Base(path); fs.ValidPath(name) && name != "." {
		return name
	}
	return "database"
}

func about(asOf time.Time, f *Facts) snapshot.About {
	return snapshot.About{AsOf: asOf.UTC(), Server: snapshot.Server{
		Product: "sqlite",
		Version: f.SQLiteVersion,
		Facts: map[string]string{
			"page_size":    strconv.Itoa(f.PageSize),
			"journal_mode": f.JournalMode,
			"encoding":     f.Encoding,
		},
	}}
}

func or(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}
