package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/restore"
	"holdfast/restore/target/postgres"
)

// A number that another table has already must not be given out again.
func TestSequenceThatOthersUseDoesNotGoBack(t *testing.T) {
	s := shared.Get(t)
	from := s.Create(t, "")
	s.SQL(t, from, `CREATE SEQUENCE numbers; CREATE TABLE ours (id bigint PRIMARY KEY DEFAULT nextval('numbers')); INSERT INTO ours SELECT FROM generate_series(1, 5);
		CREATE SEQUENCE down INCREMENT -1; CREATE TABLE falling (id bigint PRIMARY KEY DEFAULT nextval('down')); INSERT INTO falling SELECT FROM generate_series(1, 5)`)
	d := takeDump(t, s, from)
	const outside = `CREATE TABLE theirs (id bigint PRIMARY KEY DEFAULT nextval('numbers'), low bigint DEFAULT nextval('down'));`
	for name, c := range map[string]struct{ change, want string }{
		"further on": {outside + "INSERT INTO theirs SELECT FROM generate_series(1, 4); DELETE FROM ours WHERE id > 3", "10 -10"},
		"behind":     {outside + "SELECT setval('numbers', 2); SELECT setval('down', -2)", "6 -6"},
		"not shared": {"SELECT setval('numbers', 9); SELECT setval('down', -9); CREATE VIEW outside AS SELECT id FROM ours UNION SELECT id FROM falling", "6 -6"},
	} {
		t.Run(name, func(t *testing.T) {
			to := s.Copy(t, from, "")
			s.SQL(t, to, c.change)
			before := s.Dump(t, to)
			load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true, Rehearse: true}, d)
			if diff := cmp.Diff(before, s.Dump(t, to)); diff != "" {
				t.Errorf("a rehearsal left something behind:\n%s", diff)
			}
			l := load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}, d)
			if got := s.Value(t, to, "SELECT nextval('numbers') || ' ' || nextval('down')"); got != c.want {
				t.Errorf("the next numbers are %s instead of %s", got, c.want)
			}
			if told := strings.Contains(strings.Join(l.Notes, "\n"), "public.numbers stayed where it was, further on"); told != (name == "further on") {
				t.Errorf("notes: %q", l.Notes)
			}
		})
	}
}

// What belongs to a table and came after the dump goes with it, which has to be said.
func TestPartsThatGoWithATableAreTold(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	d := takeDump(t, s, from)
	to := s.Copy(t, from, "")
	s.SQL(t, to, `CREATE INDEX late ON secrets (name); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER watch BEFORE INSERT ON secrets EXECUTE FUNCTION f(); CREATE POLICY mine ON secrets; ALTER TABLE counted ADD UNIQUE (id), ADD CHECK (id > 0);
		ALTER TABLE secrets ADD COLUMN n serial`)
	l := load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}, d)
	var told []string
	for _, n := range l.Notes {
		what, rest, _ := strings.Cut(n, " is not in the dump")
		if rest != "" {
			told = append(told, what)
		}
	}
	want := []string{"constraint counted_id_key on table public.counted", "index public.late", "policy mine on table public.secrets",
		"sequence public.secrets_n_seq", "trigger watch on table public.secrets"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

func TestKeptTablesSayWhatKeepsThem(t *testing.T) {
	s := shared.Get(t)
	from := s.Create(t, "")
	s.SQL(t, from, `CREATE TABLE days (day date) PARTITION BY RANGE (day); CREATE TABLE january PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
		INSERT INTO days VALUES ('2026-01-07')`)
	d := takeDump(t, s, from)
	to := s.Copy(t, from, "")
	s.SQL(t, to, `CREATE TABLE february PARTITION OF days FOR VALUES FROM ('2026-02-01') TO ('2026-03-01'); INSERT INTO days VALUES ('2026-02-07'), ('2026-01-08')`)
	l := load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}, d)
	notes := strings.Join(l.Notes, "\n")
	if !strings.Contains(notes, "public.days stayed where it was, since table public.february is not in the dump and depends on it: the rows of partitions that are not in the dump stayed, too") {
		t.Errorf("notes: %s", notes)
	}
	if got := s.Value(t, to, "SELECT string_agg(day::text, ' ' ORDER BY day) FROM days"); got != "2026-01-07 2026-02-07" {
		t.Errorf("the rows are %s", got)
	}
}

// A view that somebody is just making when the load begins is not lost.
func TestViewMadeMeanwhileIsNotDropped(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	s.SQL(t, from, "CREATE MATERIALIZED VIEW stored AS SELECT name FROM names")
	d := takeDump(t, s, from)
	for view, refused := range map[string]bool{"names": false, "stored": true} { // a table can stay, a view has to go
		to := s.Copy(t, from, "")
		db, err := sql.Open("postgres", s.DSN(to))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("CREATE VIEW mine AS SELECT name FROM " + view); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := (&postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}).Load(t.Context(), d)
			done <- err
		}()
		waitForLock(t, s, to)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; errors.Is(err, restore.ErrOccupied) != refused || refused && !strings.Contains(err.Error(), "mine") {
			t.Errorf("%s: got %v", view, err)
		}
		if got := s.Value(t, to, "SELECT count(*) FROM mine"); got != "200" {
			t.Errorf("%s: the view has %s rows", view, got)
		}
	}
}

// waitForLock waits until a session of ours waits for another's lock.
func waitForLock(t *testing.T, s *fixtures.PostgresServer, database string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for s.Value(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'holdfast' AND datname = '"+database+"'") == "0" {
		if ctx.Err() != nil {
			t.Fatal("the load waited for no lock")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Whoever wants a table that the load waits for waits behind it.
func TestLoadNeverWaitsForLocksWithoutEnd(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	d := takeDump(t, s, from)
	to := s.Copy(t, from, "")
	s.SQL(t, to, reports+`CREATE FUNCTION patient() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
			IF current_setting('lock_timeout') = '0' THEN RAISE 'it would wait for ever'; END IF; END$$;
		CREATE EVENT TRIGGER patient ON ddl_command_start EXECUTE FUNCTION patient()`)
	load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}, d)
}
