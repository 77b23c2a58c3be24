package postgres_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/cut"
	"holdfast/restore/target/postgres"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/link"
)

// through makes a server that is reached by a proxy.
func through(t *testing.T, s *fixtures.PostgresServer, database string) (*link.Server, *cut.Proxy) {
	t.Helper()
	p, err := cut.Start(filepath.Join(s.Socket, ".s.PGSQL."+strconv.Itoa(s.Port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	host, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, s.SocketURL(database, "host", host, "port", port)), p
}

func TestConnectionCutAtAnyByteLeavesTheTargetAsItWas(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	random := rand.New(rand.NewPCG(3, 5))
	for _, c := range []struct {
		name string
		make func(*testing.T, *fixtures.PostgresServer) string
		cuts int
	}{
		{"empty", func(t *testing.T, s *fixtures.PostgresServer) string { return s.Create(t, "") }, 20},
		{"replaced", changed, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			database := c.make(t, s)
			server, proxy := through(t, s, database)
			target := &postgres.Target{Server: server, Replace: true, Rehearse: true}
			before := s.Dump(t, database)
			proxy.After(-1, cut.One)
			load(t, target, d)
			bytes := proxy.Passed()
			target.Rehearse = false
			for range fixtures.Rounds(t, c.cuts) {
				at := random.Int64N(bytes)
				proxy.After(at, cut.All)
				if _, err := target.Load(t.Context(), d); err == nil {
					t.Fatalf("a load survived a cut at byte %d of %d", at, bytes)
				}
				if diff := cmp.Diff(before, s.Dump(t, database)); diff != "" {
					t.Fatalf("cut at byte %d of %d, the target is another:\n%s", at, bytes, diff)
				}
			}
		})
	}
}

var errRead = errors.New("the store is gone")

// failing ends in an error instead of io.EOF, after n bytes.
type failing struct {
	r io.Reader
	n int64
}

func (f *failing) Read(b []byte) (int, error) {
	if f.n <= 0 {
		return 0, errRead
	}
	n, err := f.r.Read(b[:min(int64(len(b)), f.n)])
	f.n -= int64(n)
	if err == io.EOF {
		err = errRead
	}
	return n, err
}

// lying changes one byte and tells only at the end.
type lying struct {
	r  io.Reader
	at int64
}

func (l *lying) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if l.at >= 0 && l.at < int64(n) {
		b[l.at] ^= 1
	}
	l.at -= int64(n)
	if err == io.EOF {
		err = snapshot.Damaged("packs/xy", "its digest is another")
	}
	return n, err
}

func TestDamagedStreamChangesNothing(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	random := rand.New(rand.NewPCG(1, 2))
	for _, create := range []bool{false, true} {
		database := s.Create(t, "")
		target := &postgres.Target{Server: parse(t, s.SocketURL(database)), Create: create, Replace: true}
		before, databases := s.Dump(t, database), s.Value(t, "postgres", "SELECT string_agg(datname, ' ' ORDER BY 1) FROM pg_database")
		for _, info := range d.infos {
			for _, kind := range []string{"fails", "lies"} {
				at := random.Int64N(info.Bytes + 1)
				d.wrap = func(name string, r io.Reader) io.Reader {
					switch {
					case name != info.Name:
						return r
					case kind == "fails":
						return &failing{r, at}
					}
					return &lying{r, at}
				}
				if _, err := target.Load(t.Context(), d); err == nil {
					t.Errorf("stream %s %s at byte %d, and was loaded", info.Name, kind, at)
				} else if kind == "fails" && !errors.Is(err, errRead) {
					t.Errorf("stream %s fails at byte %d: %v", info.Name, at, err)
				}
			}
		}
		d.wrap = nil
		if diff := cmp.Diff(before, s.Dump(t, database)); diff != "" {
			t.Errorf("the target is another:\n%s", diff)
		}
		if got := s.Value(t, "postgres", "SELECT string_agg(datname, ' ' ORDER BY 1) FROM pg_database"); got != databases {
			t.Errorf("databases left behind: %s instead of %s", got, databases)
		}
	}
}

// A dump whose streams are each whole can still lack one.
func TestDumpWithoutOneOfItsPartsIsRefused(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	parts := slices.DeleteFunc(d.streams(source.FormatCopy), func(name string) bool { return !strings.Contains(name, "audit") })
	if len(parts) < 2 {
		t.Fatalf("the table has the parts %q", parts)
	}
	for _, gone := range parts {
		c := d.copied()
		c.infos = slices.DeleteFunc(c.infos, func(i snapshot.StreamInfo) bool { return i.Name == gone })
		if _, err := (&postgres.Target{Server: parse(t, s.SocketURL(s.Create(t, "")))}).Load(t.Context(), c); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("without %s: got %v", gone, err)
		}
	}
}

func TestErrorsHoldNoValueOfARow(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	name := d.streams(source.FormatCopy)[0]
	d.data[name] = append([]byte("hunter2"), d.data[name]...)
	d.edit(t, name, func(i *snapshot.StreamInfo) { i.Bytes += int64(len("hunter2")) })
	_, err := (&postgres.Target{Server: parse(t, s.SocketURL(s.Create(t, "")))}).Load(t.Context(), d)
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "22P02") {
		t.Errorf("got %v", err)
	}
}

func TestRowsChangedOnTheirWayAreFound(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	for name, action := range map[string]string{
		"changed": "NEW.name := 'x'; RETURN NEW;",
		"dropped": "IF NEW.id = 7 THEN RETURN NULL; END IF; RETURN NEW;",
		"swapped": "NEW.name := CASE WHEN NEW.id = 1 THEN 'secret 2' WHEN NEW.id = 2 THEN 'secret 1' ELSE NEW.name END; RETURN NEW;",
	} {
		t.Run(name, func(t *testing.T) {
			database := s.Create(t, "")
			s.SQL(t, database, `CREATE SCHEMA meddling; CREATE FUNCTION meddling.row() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN `+action+` END$$;
				CREATE FUNCTION meddling.ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
					IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.secrets' AND command_tag = 'CREATE TABLE') THEN
						CREATE TRIGGER meddle BEFORE INSERT ON public.secrets FOR EACH ROW EXECUTE FUNCTION meddling.row();
					END IF; END$$;
				CREATE EVENT TRIGGER meddle ON ddl_command_end EXECUTE FUNCTION meddling.ddl()`)
			before := s.Dump(t, database)
			_, err := (&postgres.Target{Server: parse(t, s.SocketURL(database))}).Load(t.Context(), d)
			if !errors.Is(err, postgres.ErrDiffers) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(before, s.Dump(t, database)); diff != "" {
				t.Errorf("the target is another:\n%s", diff)
			}
		})
	}
}

func TestLoadCancelledAtAnyTimeLeavesNothing(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	random := rand.New(rand.NewPCG(7, 9))
	for name, create := range map[string]bool{"replaced": false, "created": true} {
		t.Run(name, func(t *testing.T) {
			database := changed(t, s)
			target := &postgres.Target{Server: parse(t, s.SocketURL(database)), Replace: true, Create: create, Rehearse: true}
			begun := time.Now()
			load(t, target, d)
			all := time.Since(begun)
			before, databases := s.Dump(t, database), s.Value(t, "postgres", listDatabases)
			target.Rehearse = false
			for range 15 {
				after := time.Duration(random.Int64N(int64(all * 9 / 10)))
				ctx, cancel := context.WithCancel(t.Context())
				timer := time.AfterFunc(after, cancel)
				_, err := target.Load(ctx, d)
				timer.Stop()
				cancel()
				if err == nil {
					load(t, target, d) // it came before
					before = s.Dump(t, database)
				} else if !errors.Is(err, context.Canceled) {
					t.Errorf("cancelled after %s of %s: %v", after, all, err)
				}
				if diff := cmp.Diff(before, s.Dump(t, database)); diff != "" {
					t.Fatalf("cancelled after %s of %s, the target is another:\n%s", after, all, diff)
				}
				if got := s.Value(t, "postgres", listDatabases); got != databases {
					t.Errorf("cancelled after %s of %s: there are the databases %s instead of %s", after, all, got, databases)
				}
			}
		})
	}
}

func TestCancelledLoadLeavesNothing(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	database := changed(t, s)
	before := s.Dump(t, database)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.wrap = func(name string, r io.Reader) io.Reader {
		if strings.Contains(name, "secrets") {
			cancel()
		}
		return r
	}
	_, err := (&postgres.Target{Server: parse(t, s.SocketURL(database)), Replace: true}).Load(ctx, d)
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "rolling back") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, s.Dump(t, database)); diff != "" {
		t.Errorf("the target is another:\n%s", diff)
	}
}
