package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/restore/target/postgres"
	"holdfast/snapshot/source/postgres/link"
)

func TestLostAnswerToCommitIsFoundOut(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	d := takeDump(t, s, from)
	for _, c := range []struct {
		name    string
		arrives bool
		create  bool
	}{{"arrived", true, false}, {"did not arrive", false, false}, {"new database, arrived", true, true}, {"new database, did not arrive", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			database := s.Create(t, "")
			before, databases := s.Dump(t, database), s.Value(t, "postgres", listDatabases)
			after := ""
			if c.create {
				after = "RENAME TO"
			}
			l := commitCutter(t, s, after, c.arrives)
			host, port, err := net.SplitHostPort(l)
			if err != nil {
				t.Fatal(err)
			}
			target := &postgres.Target{Server: parse(t, s.SocketURL(database, "host", host, "port", port)), Create: c.create, Replace: c.create}
			loaded, err := target.Load(t.Context(), d)
			if got := s.Value(t, "postgres", listDatabases); got != databases {
				t.Errorf("there are the databases %s instead of %s", got, databases)
			}
			if !c.arrives {
				if !errors.Is(err, link.ErrLost) || !strings.Contains(err.Error(), "nothing was committed") {
					t.Errorf("got %v", err)
				}
				if diff := cmp.Diff(before, s.Dump(t, database)); diff != "" {
					t.Errorf("the target is another:\n%s", diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(loaded.Notes, "\n"), "the server says that it did") {
				t.Errorf("notes: %q", loaded.Notes)
			}
			if diff := cmp.Diff(arranged(s.Dump(t, from)), arranged(s.Dump(t, database))); diff != "" {
				t.Errorf("what came back differs:\n%s", diff)
			}
		})
	}
}

// commitCutter is a proxy that cuts a connection at the COMMIT that comes after some text: it never arrives, or
// only when the client has begun to ask what became of it.
func commitCutter(t *testing.T, s *fixtures.PostgresServer, after string, arrives bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", filepath.Join(s.Socket, ".s.PGSQL."+strconv.Itoa(s.Port)))
			if err != nil {
				client.Close()
				return
			}
			go func() {
				_, _ = io.Copy(client, server)
				client.Close()
			}()
			go func() {
				defer client.Close()
				defer server.Close()
				buffer := make([]byte, 64<<10)
				armed := after == ""
				for {
					n, err := client.Read(buffer)
					armed = armed || strings.Contains(string(buffer[:n]), after)
					commit := armed && strings.Contains(string(buffer[:n]), "COMMIT\x00")
					if commit {
						client.Close()
						time.Sleep(400 * time.Millisecond)
					}
					if n > 0 && (!commit || arrives) {
						if _, err := server.Write(buffer[:n]); err != nil {
							return
						}
					}
					if commit {
						time.Sleep(50 * time.Millisecond) // the server answers to nobody
						return
					}
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestServerProcessKilledInEveryPhase(t *testing.T) {
	s := fixtures.Postgres(t)
	from := s.Create(t, "")
	s.SQL(t, from, small+`; CREATE FUNCTION public.slow(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM pg_sleep(0.003); RETURN n; END$$;
		CREATE INDEX slowly ON public.audit (public.slow(id));
		CREATE MATERIALIZED VIEW public.slow_view AS SELECT sum(public.slow(id)) FROM public.audit`)
	d := takeDump(t, s, from)
	gate := make(chan bool)
	for _, phase := range []string{"COPY %FROM STDIN%", "CREATE INDEX slowly%", "REFRESH MATERIALIZED VIEW%slow_view%"} {
		database := s.Create(t, "")
		before := s.Dump(t, database)
		d.wrap = func(name string, r io.Reader) io.Reader {
			if strings.HasPrefix(phase, "COPY") && strings.Contains(name, "audit") {
				return io.MultiReader(io.LimitReader(r, 100), waiting(gate), r)
			}
			return r
		}
		killed := make(chan error, 1)
		go func() {
			killed <- killWhen(s, phase)
			if strings.HasPrefix(phase, "COPY") {
				close(gate) // each part of the table waits there
			}
		}()
		_, err := (&postgres.Target{Server: parse(t, s.SocketURL(database))}).Load(t.Context(), d)
		if killErr := <-killed; killErr != nil {
			t.Fatalf("%s: %v, load: %v", phase, killErr, err)
		}
		if !errors.Is(err, link.ErrLost) {
			t.Errorf("%s: got %v", phase, err)
		}
		for s.Exec("postgres", "SELECT 1") != nil { // the server restarts itself
			time.Sleep(50 * time.Millisecond)
		}
		if diff := cmp.Diff(before, s.Dump(t, database)); diff != "" {
			t.Errorf("%s: the target is another:\n%s", phase, diff)
		}
	}
}

type waiting chan bool

func (w waiting) Read([]byte) (int, error) {
	<-w
	return 0, io.EOF
}

// killWhen kills the server's process that runs a statement, as soon as one does.
func killWhen(s *fixtures.PostgresServer, statement string) (err error) {
	db, err := sql.Open("postgres", s.DSN("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ctx := context.Background()
	c, err := db.Conn(ctx) // one that is not replaced by another once it is lost
	if err != nil {
		return err
	}
	defer c.Close() // lost already
	for range 6000 {
		var pid sql.NullInt64
		err := c.QueryRowContext(ctx, "SELECT max(pid) FROM pg_stat_activity WHERE application_name = 'holdfast' AND state = 'active' AND query LIKE $1", statement).Scan(&pid)
		if err != nil {
			return err
		}
		if pid.Valid {
			if err := syscall.Kill(int(pid.Int64), syscall.SIGKILL); err != nil {
				return err
			}
			for c.PingContext(ctx) == nil { // the server ends all others, too
				time.Sleep(time.Millisecond)
			}
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("no session ran " + statement)
}
