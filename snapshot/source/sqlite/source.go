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
	if err := s.dump(ctx, d); err != nil {
		return fmt.Errorf("dumping %s: %w", s.Path, err)
	}
	return nil
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
	db, conn, err := Open(ctx, path, url.Values{"mode": {"ro"}}, or(s.BusyTimeout, defaultBusyTimeout))
	if err != nil {
		return Explain(ctx, s.Path, err)
	}
	defer func() { err = errors.Join(err, conn.Close(), db.Close()) }()

	asOf, err := pin(ctx, conn)
	if err != nil {
		return Explain(ctx, s.Path, err)
	}
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
		d.Warn(fmt.Sprintf("%s is not in WAL mode: commits had to wait for this dump, for %s at most", StreamName(s.Path), held.Round(time.Millisecond)))
	}
	d.About(about(asOf, facts))
	return nil
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
