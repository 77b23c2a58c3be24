package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/fixtures/cut"
	"holdfast/snapshot/source/postgres/link"
)

func TestConnectionCutAnywhereIsAnError(t *testing.T) {
	p := postgres.Get(t)
	proxy, err := cut.Start(p.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	work := func() error {
		c, err := parse(t, p.URLVia(proxy.Addr, "postgres")).Connect(t.Context())
		if err != nil {
			return err
		}
		defer c.Close(context.Background())
		var out bytes.Buffer
		n, err := c.CopyOut(t.Context(), &out, "COPY (SELECT i, repeat('x', i % 100) FROM generate_series(1, 5000) i) TO STDOUT")
		if err == nil && (n != 5000 || bytes.Count(out.Bytes(), []byte("\n")) != 5000) {
			t.Errorf("%d rows in %d bytes are taken for all", n, out.Len())
		}
		if err != nil && !errors.Is(err, link.ErrLost) {
			t.Errorf("a cut copy: %v, want ErrLost", err)
		}
		return err
	}
	if err := work(); err != nil {
		t.Fatal(err)
	}
	all := proxy.Passed()
	whole := 0
	for i := range int64(60) {
		n := all * i / 60
		proxy.After(n, cut.One)
		if err := work(); err == nil {
			whole++
			if n < all-3000 {
				t.Errorf("cut after %d bytes of %d, there is no error", n, all)
			}
		}
		if !proxy.Cut() {
			t.Errorf("there was no cut after %d bytes of %d", n, all)
		}
	}
	proxy.After(-1, cut.One)
	t.Logf("%d of 60 cuts were after the last row", whole)
}

func TestConnectionCutWhileRowsGoInIsAnError(t *testing.T) {
	p := postgres.Get(t)
	name := p.Create(t, "")
	p.SQL(t, name, "CREATE TABLE t (n int)")
	proxy, err := cut.Start(p.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	for i := range int64(10) {
		c := open(t, p.URLVia(proxy.Addr, name))
		proxy.After(i*120000, cut.One)
		_, err := c.CopyIn(t.Context(), strings.NewReader(strings.Repeat("1\n", 1000000)), "COPY public.t FROM STDIN")
		if !errors.Is(err, link.ErrLost) {
			t.Errorf("a cut copy: %v, want ErrLost", err)
		}
	}
	proxy.After(-1, cut.One)
	if got := p.Value(t, name, "SELECT count(*) FROM t"); got != "0" {
		t.Errorf("%s rows stayed", got)
	}
}

func TestServerThatDiesIsAnError(t *testing.T) {
	p := fixtures.Postgres(t)
	for _, end := range []func() error{p.Kill, p.Stop} {
		c := open(t, p.URL("postgres"))
		stopped := make(chan error, 1)
		time.AfterFunc(300*time.Millisecond, func() { stopped <- end() })
		_, err := c.CopyOut(t.Context(), io.Discard, "COPY (SELECT repeat('x', 1000), generate_series(1, 1000000000)) TO STDOUT")
		if !errors.Is(err, link.ErrLost) {
			t.Errorf("the error is %v, want ErrLost", err)
		}
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServerThatEndsASessionSaysWhy(t *testing.T) {
	p := postgres.Get(t)
	c := open(t, p.SocketURL("postgres"))
	time.AfterFunc(100*time.Millisecond, func() {
		_ = p.Exec("postgres", fmt.Sprintf("SELECT pg_terminate_backend(%d)", c.PID()))
	})
	err := c.Exec(t.Context(), "SELECT pg_sleep(30)")
	var e *link.Error
	if !errors.As(err, &e) || e.Code != "57P01" || !errors.Is(err, link.ErrLost) {
		t.Errorf("the error is %v, want SQLSTATE 57P01 that matches ErrLost", err)
	}
}

func TestClosedSessionIsGoneAtOnce(t *testing.T) {
	p := postgres.Get(t)
	for _, dsn := range []string{p.URL("postgres"), p.SocketURL("postgres")} {
		c := open(t, dsn)
		run(t, c, "SELECT 1")
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone(t, p, c.PID())
		if err := c.Exec(t.Context(), "SELECT 1"); !errors.Is(err, link.ErrLost) {
			t.Errorf("afterwards: %v, want ErrLost", err)
		}
	}
}
