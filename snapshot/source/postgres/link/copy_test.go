package link_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"holdfast/snapshot/source/postgres/link"
)

// transports runs a test over each kind of connection.
func transports(t *testing.T, test func(t *testing.T, c *link.Conn)) {
	p := postgres.Get(t)
	name := p.Create(t, "")
	for transport, dsn := range map[string]string{
		"socket": p.SocketURL(name), "TLS": p.URL(name), "TLS 1.2": p.URL(name, "ssl_max_protocol_version", "TLSv1.2"),
	} {
		t.Run(transport, func(t *testing.T) { test(t, open(t, dsn)) })
	}
}

func copyOut(t testing.TB, c *link.Conn, sql string) (string, int64) {
	t.Helper()
	var b strings.Builder
	n, err := c.CopyOut(t.Context(), &b, sql)
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), n
}

func TestRowsComeOutAndGoInAsTheyAre(t *testing.T) {
	transports(t, func(t *testing.T, c *link.Conn) {
		run(t, c, "CREATE TEMP TABLE t (n int, x text); INSERT INTO t SELECT i, repeat('\u00e9\\ \t\n', i % 50) FROM generate_series(1, 50000) i")
		out, n := copyOut(t, c, "COPY (SELECT * FROM t ORDER BY n) TO STDOUT")
		if n != 50000 || int64(strings.Count(out, "\n")) != n {
			t.Fatalf("%d rows came out in %d lines, want 50000", n, strings.Count(out, "\n"))
		}
		run(t, c, "CREATE TEMP TABLE copy (LIKE t)")
		in, err := c.CopyIn(t.Context(), iotest.HalfReader(strings.NewReader(out)), "COPY copy FROM STDIN")
		if err != nil || in != n {
			t.Fatalf("%d rows went in, %v; want %d", in, err, n)
		}
		if got := value(t, c, "SELECT count(*) FROM ((TABLE t EXCEPT ALL TABLE copy) UNION ALL (TABLE copy EXCEPT ALL TABLE t)) x"); got != "0" {
			t.Errorf("%s rows differ", got)
		}
	})
}

func TestSmallAndEmptyCopies(t *testing.T) {
	transports(t, func(t *testing.T, c *link.Conn) {
		run(t, c, "CREATE TEMP TABLE bare (); INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES; CREATE TEMP TABLE empty (n int)")
		for sql, want := range map[string]string{
			"COPY bare TO STDOUT":                              "\n\n",
			"COPY empty TO STDOUT":                             "",
			"COPY (SELECT 1, NULL) TO STDOUT":                  "1\t\\N\n",
			"COPY (SELECT 'a', 2) TO STDOUT WITH (FORMAT csv)": "a,2\n",
			"SET geqo = off; COPY (SELECT 1) TO STDOUT":        "1\n",
		} {
			got, n := copyOut(t, c, sql)
			if got != want || n != int64(strings.Count(want, "\n")) {
				t.Errorf("%s: %q, %d rows", sql, got, n)
			}
		}
		if n, err := c.CopyIn(t.Context(), strings.NewReader("\n\n\n"), "COPY bare FROM STDIN"); n != 3 || err != nil {
			t.Errorf("rows without columns: %d, %v", n, err)
		}
		if n, err := c.CopyIn(t.Context(), strings.NewReader(""), "COPY empty FROM STDIN"); n != 0 || err != nil {
			t.Errorf("no rows: %d, %v", n, err)
		}
	})
}

func TestValueOfAHundredMegabytes(t *testing.T) {
	p := postgres.Get(t)
	name := p.Create(t, "")
	p.SQL(t, name, "CREATE TABLE t (x text); INSERT INTO t VALUES (repeat('x', 100000000)), ('y')")
	c := open(t, p.URL(name))
	pr, pw := io.Pipe()
	other := open(t, p.SocketURL(name))
	done := make(chan error, 1)
	go func() {
		_, err := c.CopyOut(t.Context(), pw, "COPY public.t TO STDOUT")
		done <- errors.Join(err, pw.CloseWithError(err))
	}()
	run(t, other, "CREATE TABLE public.copy (LIKE public.t)")
	n, err := other.CopyIn(t.Context(), pr, "COPY public.copy FROM STDIN")
	if err := errors.Join(err, <-done); err != nil || n != 2 {
		t.Fatalf("%d rows, %v", n, err)
	}
	if got := value(t, other, "SELECT string_agg(length(x) || md5(x), ' ' ORDER BY x) = (SELECT string_agg(length(x) || md5(x), ' ' ORDER BY x) FROM public.t) FROM public.copy"); got != "t" {
		t.Error("the value is another one")
	}
}

func TestWhatIsNotTheCopyAskedForIsAnErrorAndLeavesTheSession(t *testing.T) {
	transports(t, func(t *testing.T, c *link.Conn) {
		run(t, c, "CREATE TEMP TABLE t (n int)")
		for _, sql := range []string{
			"SELECT 1", "", "CREATE TEMP TABLE nothing ()", "COPY t FROM STDIN", "COPY nowhere TO STDOUT", "COP", "COPY t TO STDOUT; COPY t TO STDOUT",
			"COPY t TO STDOUT WITH (FORMAT csv, HEADER)",
		} {
			if n, err := c.CopyOut(t.Context(), io.Discard, sql); err == nil || n != 0 {
				t.Errorf("out by %q: %d rows, %v", sql, n, err)
			}
			usable(t, c)
		}
		for _, sql := range []string{
			"SELECT 1", "", "COPY t TO STDOUT", "COPY nowhere FROM STDIN", "COPY t FROM STDIN; COPY t FROM STDIN",
		} {
			if n, err := c.CopyIn(t.Context(), strings.NewReader("1\n"), sql); err == nil || n != 0 {
				t.Errorf("in by %q: %d rows, %v", sql, n, err)
			}
			usable(t, c)
		}
		for _, sql := range []string{"COPY t TO STDOUT", "COPY t FROM STDIN"} {
			if err := c.Exec(t.Context(), sql); err == nil {
				t.Errorf("%s is taken as a statement", sql)
			}
			usable(t, c)
			if _, err := c.Query(t.Context(), sql); err == nil {
				t.Errorf("%s is taken as a query", sql)
			}
			usable(t, c)
		}
	})
}

func TestErrorInTheMiddleOfRowsIsReturned(t *testing.T) {
	transports(t, func(t *testing.T, c *link.Conn) {
		n, err := c.CopyOut(t.Context(), io.Discard, "COPY (SELECT 1 / (9999 - i) FROM generate_series(1, 20000) i) TO STDOUT")
		var e *link.Error
		if !errors.As(err, &e) || e.Code != "22012" || n != 0 {
			t.Errorf("%d rows, %v; want SQLSTATE 22012", n, err)
		}
		usable(t, c)
	})
}

func TestWriterThatFailsEndsTheCopyAtTheServer(t *testing.T) {
	p := postgres.Get(t)
	full := errors.New("the disk is full")
	for _, dsn := range []string{p.URL("postgres"), p.SocketURL("postgres")} {
		c := open(t, dsn)
		pid := c.PID()
		_, err := c.CopyOut(t.Context(), failing{full}, "COPY (SELECT repeat('x', 1000), generate_series(1, 100000000)) TO STDOUT")
		if err != full {
			t.Errorf("the error is %v, want that of the writer", err)
		}
		gone(t, p, pid)
		if err := c.Exec(t.Context(), "SELECT 1"); !errors.Is(err, link.ErrLost) {
			t.Errorf("afterwards: %v, want ErrLost", err)
		}
	}
}

type failing struct{ err error }

func (w failing) Write([]byte) (int, error) { return 0, w.err }

func TestReaderThatFailsLeavesNoRows(t *testing.T) {
	torn := fmt.Errorf("decoding: %w", io.ErrUnexpectedEOF)
	transports(t, func(t *testing.T, c *link.Conn) {
		run(t, c, "CREATE TEMP TABLE t (n int)")
		for _, want := range []error{errors.New("the digest is wrong"), torn, io.ErrUnexpectedEOF} {
			rows := io.MultiReader(strings.NewReader(strings.Repeat("1\n", 300000)), iotest.ErrReader(want))
			if n, err := c.CopyIn(t.Context(), rows, "COPY t FROM STDIN"); err != want || n != 0 {
				t.Errorf("%d rows, %v; want the reader's error %v", n, err, want)
			}
			if got := value(t, c, "SELECT count(*) FROM t"); got != "0" {
				t.Errorf("%s rows stayed", got)
			}
		}
	})
}

func TestServerThatRefusesARowEndsTheReading(t *testing.T) {
	transports(t, func(t *testing.T, c *link.Conn) {
		run(t, c, "CREATE TEMP TABLE t (n int)")
		r := &endless{first: "1\nhunter2\n"}
		_, err := c.CopyIn(t.Context(), r, "COPY t FROM STDIN")
		var e *link.Error
		if !errors.As(err, &e) || e.Code != "22P02" || e.Line != 2 {
			t.Errorf("the error is %v, want SQLSTATE 22P02 in line 2", err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, *e), "hunter2") {
			t.Errorf("the error repeats the row: %v, %+v", err, *e)
		}
		usable(t, c)
	})
}

// endless never comes to an end, and panics if it is read for much longer than it takes to notice.
type endless struct {
	first string
	read  int
}

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	if e.read > 4<<30 {
		panic("nobody noticed that the server refused")
	}
	n := copy(p, e.first)
	e.first = e.first[n:]
	for i := n; i < len(p); i++ {
		p[i] = "1\n"[(i-n)%2]
	}
	return len(p) - (len(p)-n)%2, nil
}
