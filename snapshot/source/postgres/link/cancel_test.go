package link_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"holdfast/snapshot/source/postgres/link"
)

func TestCancelledStatementsEndAtTheServer(t *testing.T) {
	p := postgres.Get(t)
	for transport, dsn := range map[string]string{"socket": p.SocketURL("postgres"), "TLS": p.URL("postgres")} {
		for name, work := range map[string]func(ctx context.Context, c *link.Conn) error{
			"Exec": func(ctx context.Context, c *link.Conn) error { return c.Exec(ctx, "SELECT pg_sleep(60)") },
			"Query": func(ctx context.Context, c *link.Conn) error {
				_, err := c.Query(ctx, "SELECT pg_sleep(60)")
				return err
			},
			"CopyOut, waiting": func(ctx context.Context, c *link.Conn) error {
				_, err := c.CopyOut(ctx, io.Discard, "COPY (SELECT pg_sleep(60)) TO STDOUT")
				return err
			},
			"CopyOut, reading": func(ctx context.Context, c *link.Conn) error {
				_, err := c.CopyOut(ctx, io.Discard, "COPY (SELECT repeat('x', 1000), generate_series(1, 1000000000)) TO STDOUT")
				return err
			},
			"CopyIn": func(ctx context.Context, c *link.Conn) error {
				if err := c.Exec(ctx, "CREATE TEMP TABLE t (n int)"); err != nil {
					return err
				}
				_, err := c.CopyIn(ctx, &endless{}, "COPY t FROM STDIN")
				return err
			},
		} {
			t.Run(transport+" "+name, func(t *testing.T) {
				c := open(t, dsn)
				ctx, cancel := context.WithCancelCause(t.Context())
				why := errors.New("enough")
				time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
				begun := time.Now()
				if err := work(ctx, c); err != why {
					t.Errorf("the error is %v, want the cause", err)
				}
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("it took %s", took)
				}
				gone(t, p, c.PID())
				if err := c.Exec(t.Context(), "SELECT 1"); !errors.Is(err, link.ErrLost) {
					t.Errorf("afterwards: %v, want ErrLost", err)
				}
			})
		}
	}
}

func TestCancelledStatementOfThePoolEndsAtTheServer(t *testing.T) {
	p := postgres.Get(t)
	db, err := parse(t, p.URL("postgres")).DB()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var pid uint32
	if err := db.QueryRow("SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, err := db.ExecContext(ctx, "SELECT pg_sleep(60)"); err == nil || time.Since(begun) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
	gone(t, p, pid)
	if err := db.PingContext(t.Context()); err != nil {
		t.Errorf("the pool does not heal: %v", err)
	}
}

func TestContextThatIsDoneLeavesTheSession(t *testing.T) {
	c := open(t, postgres.Get(t).SocketURL("postgres"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Exec(ctx, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	usable(t, c)
}
