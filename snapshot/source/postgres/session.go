package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"

	"holdfast/snapshot/source/postgres/link"
)

// A session is one instant of a database, held open: the transaction of a leader, which locked the
// tables and then exported its snapshot, and workers that imported it.
type session struct {
	server *link.Server
	db     *sql.DB
	conn   *sql.Conn
	tx     *sql.Tx
	pids   []int64

	snapshot string // to import
	asOf     time.Time
	origin   Origin
}

// cleanupTime is how long ending a session may take.
const cleanupTime = 10 * time.Second

// begin opens the transaction and locks tables before it has a snapshot: what was committed to
// them, TRUNCATE and ALTER TABLE included, is then in the snapshot, and nothing of the kind happens
// until the end.
func begin(ctx context.Context, server *link.Server, db *sql.DB, wait time.Duration, tables []*relation) (*session, error) {
	s := &session{server: server, db: db}
	var err error
	if s.conn, err = db.Conn(ctx); err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", server, err)
	}
	if err := s.open(ctx, wait, tables); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *session) open(ctx context.Context, wait time.Duration, tables []*relation) error {
	var err error
	if s.tx, err = s.conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}); err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	if _, err := s.tx.ExecContext(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d; %s", wait.Milliseconds(), gentle)); err != nil {
		return fmt.Errorf("setting up the transaction: %w", err)
	}
	if err := lock(ctx, s.tx, tables); err != nil {
		return err
	}
	return s.pin(ctx)
}

// gentle keeps a dump from taking more of the server than its connections, and from plans that sort
// a table or compile a query.
const gentle = "SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off"

// lockedAtOnce bounds the text of one LOCK TABLE.
const lockedAtOnce = 500

func lock(ctx context.Context, tx *sql.Tx, tables []*relation) error {
	for len(tables) > 0 {
		n := min(len(tables), lockedAtOnce)
		quoted := make([]string, n)
		for i, t := range tables[:n] {
			quoted[i] = "ONLY " + t.quoted()
		}
		if _, err := tx.ExecContext(ctx, "LOCK TABLE "+strings.Join(quoted, ", ")+" IN ACCESS SHARE MODE"); err != nil {
			return fmt.Errorf("locking tables against being altered: %w", blocked(err))
		}
		tables = tables[n:]
	}
	return nil
}

// gone reports whether a table was dropped or renamed before it was locked.
func gone(err error) bool {
	var e *pq.Error
	return errors.As(err, &e) && (e.Code == "42P01" || e.Code == "3F000") // undefined table, undefined schema
}

// pin takes the snapshot, by the first query of the transaction, and notes what it is of. The clock
// is that of the query's arrival, so what was committed by then is in the dump.
func (s *session) pin(ctx context.Context) error {
	o := &s.origin
	var pid int64
	err := s.tx.QueryRowContext(ctx, `SELECT pg_export_snapshot(), pg_backend_pid(), statement_timestamp(), pg_is_in_recovery(),
			pg_postmaster_start_time(), (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()),
			txid_snapshot_xmin(txid_current_snapshot()), txid_snapshot_xmax(txid_current_snapshot()),
			CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text,
			COALESCE(pg_stat_get_bgwriter_stat_reset_time(), 'epoch')`).
		Scan(&s.snapshot, &pid, &s.asOf, &o.Standby, &o.Started, &o.Database, &o.Xmin, &o.Xmax, &o.LSN, &o.Reset)
	if err != nil {
		return fmt.Errorf("exporting a snapshot: %w", err)
	}
	s.asOf, o.Started, o.Reset = s.asOf.UTC(), o.Started.UTC(), o.Reset.UTC()
	s.pids = append(s.pids, pid)
	return s.identify(ctx)
}

// identify asks for what names the cluster. Some services keep that from their users: then nothing is
// known to be unchanged.
func (s *session) identify(ctx context.Context) error {
	var may bool
	err := s.tx.QueryRowContext(ctx, `SELECT has_function_privilege('pg_control_system()', 'EXECUTE')
		AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')`).Scan(&may)
	if err == nil && may {
		err = s.tx.QueryRowContext(ctx, `SELECT system_identifier::text, timeline_id FROM pg_control_system(), pg_control_checkpoint()`).
			Scan(&s.origin.System, &s.origin.Timeline)
	}
	if err != nil {
		return fmt.Errorf("identifying the server: %w", err)
	}
	return nil
}

// close ends the transaction, and so the snapshot.
func (s *session) close() error {
	var err error
	if s.tx != nil {
		if err = s.tx.Rollback(); errors.Is(err, sql.ErrTxDone) {
			err = nil
		}
	}
	return errors.Join(err, s.conn.Close())
}

// workers opens n connections on the snapshot of s.
func (s *session) workers(ctx context.Context, n int, wait time.Duration) (workers, error) {
	var all workers
	for range n {
		c, err := s.worker(ctx, wait)
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		all = append(all, c)
	}
	return all, nil
}

func (s *session) worker(ctx context.Context, wait time.Duration) (*link.Conn, error) {
	c, err := s.server.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", s.server, err)
	}
	for _, sql := range []string{
		"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		"SET TRANSACTION SNAPSHOT " + pq.QuoteLiteral(s.snapshot),
		fmt.Sprintf("SET LOCAL lock_timeout = %d; %s; %s", wait.Milliseconds(), gentle, byIndex),
	} {
		if err := c.Exec(ctx, sql); err != nil {
			return nil, errors.Join(fmt.Errorf("joining the snapshot: %w", err), closeConn(c))
		}
	}
	rows, err := c.Query(ctx, "SELECT pg_backend_pid()")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("joining the snapshot: %w", err), closeConn(c))
	}
	var pid int64
	if _, err := fmt.Sscan(*rows[0][0], &pid); err != nil {
		return nil, errors.Join(fmt.Errorf("joining the snapshot: %w", err), closeConn(c))
	}
	s.pids = append(s.pids, pid)
	return c, nil
}

// byIndex has ranges of rows read by the index of their key or by their pages, and never by a
// scan of the whole table for each of them, nor by sorting.
const byIndex = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"

func closeConn(c *link.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTime)
	defer cancel()
	return c.Close(ctx)
}

// Workers are connections on one snapshot.
type workers []*link.Conn

// each does n jobs, in their order as far as they begin, one at a time on each connection. The first
// error stops it.
func (w workers) each(ctx context.Context, n int, do func(ctx context.Context, c *link.Conn, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	jobs := make(chan int)
	g.Go(func() error {
		defer close(jobs)
		for i := range n {
			select {
			case jobs <- i:
			case <-ctx.Done():
				return nil
			}
		}
		return nil
	})
	for _, c := range w {
		g.Go(func() error {
			for i := range jobs {
				if err := do(ctx, c, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (w workers) close() error {
	var err error
	for _, c := range w {
		err = errors.Join(err, closeConn(c))
	}
	return err
}
