package link

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrPooled means that a pooler is in between that gives every transaction whichever session of
// the server is free. What is set for a session would then be missing where it is needed, by pg_dump
// too, and stay behind where the application comes next: an empty search_path, for one.
var ErrPooled = errors.New("a pooler in between hands out sessions by the transaction: connect to the server itself, or to a pool of whole sessions")

const (
	rivals     = 5
	pooledTime = 5 * time.Second
)

// unpooled refuses a session that is not one. It is asked before anything is set. A pooler tells
// clients another process than the server's; whether it keeps a session together shows as rivals
// begin transactions, one of which gets what was ours or makes us go on in another.
func unpooled(ctx context.Context, c *pgconn.PgConn, cfg *pgconn.Config) error {
	ours, err := backend(ctx, c)
	if err != nil || ours == c.PID() {
		return err
	}
	soon, stop := context.WithTimeout(ctx, pooledTime)
	defer stop()
	plain := cfg.Copy()
	plain.AfterConnect, plain.ValidateConnect = nil, nil
	for range rivals {
		rival, err := pgconn.ConnectConfig(soon, plain)
		if err != nil {
			return ctx.Err() // no session to spare: nothing is to be learned
		}
		defer rival.Close(context.WithoutCancel(ctx)) // at the end: each has to get another session
		if _, err := rival.Exec(soon, "BEGIN").ReadAll(); err != nil {
			return err // some pools have no transactions at all
		}
		taken, err := backend(soon, rival)
		if err != nil {
			return err
		}
		now, err := backend(soon, c) // which is also the last that the pool had back, for the next rival
		if err != nil {
			return err
		}
		if taken == ours || now != ours {
			return ErrPooled
		}
	}
	return nil
}

func backend(ctx context.Context, c *pgconn.PgConn) (uint32, error) {
	results, err := c.Exec(ctx, "SELECT pg_catalog.pg_backend_pid()").ReadAll()
	if err != nil {
		return 0, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return 0, errProtocol
	}
	pid, err := strconv.ParseUint(string(results[0].Rows[0][0]), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("reading the number of a process: %w", err)
	}
	return uint32(pid), nil
}
