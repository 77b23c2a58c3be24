package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"holdfast/snapshot/source/postgres/link"
)

// watchEvery is how often the dump looks whether anybody waits for it.
const watchEvery = 2 * time.Second

// lockNotAvailable is the SQLSTATE of a lock that was not to be had in time.
const lockNotAvailable = "55P03"

// blocked marks the error of a lock that was not to be had in time: the application holds it, or
// waits for it and is waited for.
func blocked(err error) error {
	var ours *link.Error
	var theirs *pq.Error
	if errors.As(err, &ours) && ours.Code == lockNotAvailable || errors.As(err, &theirs) && theirs.Code == lockNotAvailable {
		return fmt.Errorf("%w: a lock was not to be had in time: %w", ErrGaveWay, err)
	}
	return err
}

// watch returns an error once some session has waited for one of ours for longer than patience. All
// our sessions ever hold are locks against tables being altered, but who waits to alter a table
// makes everyone else wait who comes later.
//
// By then it has ended them all: rows that a slow store holds up must not keep the locks.
func (s *session) watch(ctx context.Context, patience time.Duration) error {
	pid, err := s.overdue(ctx, min(watchEvery, patience/2), patience)
	if err != nil || pid == 0 {
		return err
	}
	if _, err := s.db.ExecContext(ctx, "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid", pq.Array(s.pids)); err != nil {
		return fmt.Errorf("ending the dump's sessions: %w", err)
	}
	return fmt.Errorf("%w: the server's process %d waited for a table that was being read for more than %s", ErrGaveWay, pid, patience)
}

// overdue returns the process that has waited for longer than patience, or 0 at the end of ctx.
func (s *session) overdue(ctx context.Context, every, patience time.Duration) (int64, error) {
	since := map[int64]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return 0, nil
		case <-time.After(every):
		}
		waiting, err := s.waiting(ctx)
		if ctx.Err() != nil {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("looking for sessions that wait for the dump: %w", err)
		}
		now := time.Now()
		still := map[int64]time.Time{}
		for _, pid := range waiting {
			begun, ok := since[pid]
			if !ok {
				begun = now
			}
			if now.Sub(begun) >= patience {
				return pid, nil
			}
			still[pid] = begun
		}
		since = still
	}
}

// waiting lists the processes that wait for a lock of ours, but for those that build an index
// concurrently: they wait for our snapshot to end, and keep nobody else waiting meanwhile.
func (s *session) waiting(ctx context.Context) ([]int64, error) {
	var pids []int64
	err := s.db.QueryRowContext(ctx, `SELECT array_agg(DISTINCT pid::int8) FROM pg_catalog.pg_locks
		WHERE NOT granted AND locktype <> 'virtualxid' AND pid <> ALL ($1::int[]) AND pg_blocking_pids(pid) && $1::int[]`, pq.Array(s.pids)).Scan(pq.Array(&pids))
	return pids, err
}
