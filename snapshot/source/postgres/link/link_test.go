package link_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/fixtures"
	"holdfast/snapshot/source/postgres/link"
)

var postgres fixtures.SharedPostgres

func TestMain(m *testing.M) {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "PG") {
			os.Unsetenv(name)
		}
	}
	code := postgres.Run(m)
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func parse(t testing.TB, dsn string) *link.Server {
	t.Helper()
	s, err := link.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open opens a session for the length of the test, which may have ended it.
func open(t testing.TB, dsn string) *link.Conn {
	t.Helper()
	c, err := parse(t, dsn).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func run(t testing.TB, c *link.Conn, sql string) {
	t.Helper()
	if err := c.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// value runs a query that yields one value.
func value(t testing.TB, c *link.Conn, sql string, args ...string) string {
	t.Helper()
	rows, err := c.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] == nil {
		t.Fatalf("%s yields %v, want one value", sql, rows)
	}
	return *rows[0][0]
}

// usable fails the test unless the session takes statements.
func usable(t testing.TB, c *link.Conn) {
	t.Helper()
	if got := value(t, c, "SELECT 6 * 7"); got != "42" {
		t.Errorf("6 * 7 is %s", got)
	}
}

// gone waits until the server has no process of that number.
func gone(t testing.TB, s *fixtures.PostgresServer, pid uint32) {
	t.Helper()
	for range 100 {
		if s.Value(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", int64(pid)) == "0" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("the server still runs %s", s.Value(t, "postgres", "SELECT state || ': ' || query FROM pg_stat_activity WHERE pid = $1", int64(pid)))
}
