package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/restore"
	"holdfast/restore/target/postgres"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/link"
)

// problems is what Preflight finds, sorted, without the place.
func problems(t *testing.T, target *postgres.Target, d restore.Dump) ([]string, error) {
	t.Helper()
	err := target.Preflight(t.Context(), d)
	if err == nil {
		return nil, nil
	}
	var all restore.Problems
	if !errors.As(err, &all) {
		t.Fatalf("no list of problems: %v", err)
	}
	var said []string
	for _, p := range all {
		said = append(said, p.Error())
	}
	slices.Sort(said)
	return said, err
}

// renamed is d with a name in its scripts replaced by another.
func (d *fakeDump) renamed(t *testing.T, old, with string) *fakeDump {
	t.Helper()
	c := d.copied()
	for _, name := range c.streams(source.FormatSQL) {
		c.data[name] = bytes.ReplaceAll(c.data[name], []byte(old), []byte(with))
		c.edit(t, name, func(i *snapshot.StreamInfo) { i.Bytes = int64(len(c.data[name])) })
	}
	return c
}

// role makes a role that can log in and owns nothing.
func role(t *testing.T, s *fixtures.PostgresServer, name, options string) *link.Server {
	t.Helper()
	s.SQL(t, "postgres", fmt.Sprintf(`DO $$BEGIN CREATE ROLE %[1]s LOGIN PASSWORD 'pw' %[2]s; EXCEPTION WHEN duplicate_object THEN ALTER ROLE %[1]s %[2]s; END$$`, name, options))
	return parse(t, s.SocketURLAs(name, "pw", "postgres"))
}

const demanding = `CREATE EXTENSION citext; CREATE SCHEMA apart; CREATE TABLE public.outside (id int PRIMARY KEY);
	CREATE TABLE public.t (id int PRIMARY KEY, o int REFERENCES public.outside, c citext); INSERT INTO public.outside VALUES (1);
	CREATE TABLE apart.u (a int); ALTER TABLE apart.u OWNER TO preflight_owner; GRANT SELECT ON public.t TO preflight_reader;`

func demandingDump(t *testing.T, s *fixtures.PostgresServer, selected source.Selection) *fakeDump {
	t.Helper()
	role(t, s, "preflight_owner", "")
	role(t, s, "preflight_reader", "")
	db := s.Create(t, "")
	s.SQL(t, db, demanding)
	return sourced(t, s, db, selected)
}

func TestAllThatIsMissingIsNamedAtOnce(t *testing.T) {
	s := shared.Get(t)
	d := demandingDump(t, s, source.Selection{Tables: []string{"t", "apart.u"}}).
		renamed(t, "preflight_owner", "nobody_at_all").renamed(t, "preflight_reader", "no_reader").
		renamed(t, "Name: citext; Type: EXTENSION", "Name: no_extension; Type: EXTENSION")
	d.facts(t, func(f *source.Facts) { f.Version = 990001 })
	d = d.renamed(t, "Owner: holdfast\n", "Owner: holdfast; Tablespace: no_space\n")
	to := s.Create(t, "")
	target := &postgres.Target{Server: parse(t, s.SocketURL(to))}
	got, err := problems(t, target, d)
	want := []string{
		`extension "no_extension": missing in the target; install its files on the server`,
		`role "no_reader": missing in the target`,
		`role "nobody_at_all": missing in the target`,
		`table public.outside, which public.t refers to: missing in the target`,
		`tablespace "no_space": missing in the target`,
		fmt.Sprintf("the server is older than the dump: it is %d.%d, and 99.1 was dumped", s.Version/10000, s.Version%10000),
	}
	if x := cmp.Diff(want, got); x != "" {
		t.Error(x)
	}
	if !errors.Is(err, postgres.ErrMissing) || !errors.Is(err, postgres.ErrTooOld) {
		t.Errorf("the error does not match: %v", err)
	}
}

func TestWhatIsMissingCanBeLeftOut(t *testing.T) {
	s := shared.Get(t)
	d := demandingDump(t, s, source.Selection{Tables: []string{"t", "apart.u"}}).renamed(t, "preflight_owner", "nobody_at_all").renamed(t, "preflight_reader", "no_reader")
	to := s.Create(t, "")
	target := &postgres.Target{Server: parse(t, s.SocketURL(to)), SkipMissing: true}
	if got, _ := problems(t, target, d); len(got) > 0 {
		t.Fatalf("in the way: %q", got)
	}
	l := load(t, target, d)
	notes := strings.Join(l.Notes, "\n")
	for _, name := range []string{"nobody_at_all", "no_reader", "public.outside"} {
		if !strings.Contains(notes, name) {
			t.Errorf("%s is not in the notes:\n%s", name, notes)
		}
	}
}

func TestPreflightFindsNothingInAnEmptyDatabaseAndChangesNothing(t *testing.T) {
	s := shared.Get(t)
	d := sourced(t, s, all(t, s), source.Selection{})
	to := s.Create(t, "")
	before := s.Dump(t, to)
	if got, _ := problems(t, &postgres.Target{Server: parse(t, s.SocketURL(to))}, d); len(got) > 0 {
		t.Errorf("in the way: %q", got)
	}
	if x := cmp.Diff(before, s.Dump(t, to)); x != "" {
		t.Errorf("the target changed: %s", x)
	}
	if got, _ := problems(t, &postgres.Target{Server: parse(t, s.SocketURL("not_yet_there")), Create: true}, d); len(got) > 0 {
		t.Errorf("in the way of a new database: %q", got)
	}
	if n := s.Value(t, "postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'holdfast_restore%' OR datname = 'not_yet_there'"); n != "0" {
		t.Errorf("%s databases are left", n)
	}
}

func TestARoleWithoutRightsIsToldEachOfThem(t *testing.T) {
	s := shared.Get(t)
	d := demandingDump(t, s, source.Selection{})
	to := s.Create(t, "")
	user := role(t, s, "preflight_nobody", "NOCREATEDB").WithDatabase(to)
	got, err := problems(t, &postgres.Target{Server: user}, d)
	want := []string{
		`creating extension "citext": the role has not the rights: role "preflight_nobody" has no CREATE on the database`,
		`creating in schema "public": the role has not the rights`,
		`creating schema "apart": the role has not the rights: role "preflight_nobody" has no CREATE on the database`,
		`giving objects to their owner "` + s.User + `": the role has not the rights: role "preflight_nobody" is not a member`,
		`giving objects to their owner "preflight_owner": the role has not the rights: role "preflight_nobody" is not a member`,
	}
	slices.Sort(want)
	if x := cmp.Diff(want, got); x != "" {
		t.Error(x)
	}
	if !errors.Is(err, postgres.ErrRights) {
		t.Errorf("the error does not match: %v", err)
	}
	got, _ = problems(t, &postgres.Target{Server: user.WithDatabase("not_yet_there"), Create: true}, d)
	if !slices.Contains(got, `creating a database: the role has not the rights: role "preflight_nobody" has no CREATEDB`) {
		t.Errorf("a new database: %q", got)
	}
}

// Who does not inherit an owner's rights can give it tables and then not load them.
func TestARoleThatDoesNotInheritIsToldSo(t *testing.T) {
	s := shared.Get(t)
	role(t, s, "preflight_owner", "")
	db, to := s.Create(t, ""), s.Create(t, "")
	s.SQL(t, db, "CREATE TABLE public.t (a int); INSERT INTO public.t VALUES (1); ALTER TABLE public.t OWNER TO preflight_owner")
	user := role(t, s, "preflight_outsider", "NOINHERIT").WithDatabase(to)
	s.SQL(t, to, "GRANT preflight_owner TO preflight_outsider; GRANT CREATE ON SCHEMA public TO preflight_outsider, preflight_owner")
	d := sourced(t, s, db, source.Selection{})
	target := &postgres.Target{Server: user}
	got, _ := problems(t, target, d)
	want := []string{`loading tables of their owner "preflight_owner": the role has not the rights: role "preflight_outsider" does not inherit its rights`}
	if x := cmp.Diff(want, got); x != "" {
		t.Error(x)
	}
	role(t, s, "preflight_outsider", "INHERIT")
	if got, _ := problems(t, target, d); len(got) > 0 {
		t.Errorf("in the way: %q", got)
	}
	load(t, target, d)
}

// A role that is one of many in a database looks only at what it may read.
func TestARoleRestoresBesideTablesThatAreClosedToIt(t *testing.T) {
	s := shared.Get(t)
	db, to := s.Create(t, ""), s.Create(t, "")
	user := role(t, s, "preflight_outsider", "INHERIT").WithDatabase(to)
	s.SQL(t, db, "CREATE TABLE public.t (a int); INSERT INTO public.t VALUES (1); ALTER TABLE public.t OWNER TO preflight_outsider")
	s.SQL(t, to, `CREATE TABLE public.theirs (a int); CREATE SCHEMA closed; CREATE TABLE closed."Odd ""one""" (a int); GRANT CREATE ON SCHEMA public TO preflight_outsider`)
	d := sourced(t, s, db, source.Selection{})
	for range 2 {
		target := &postgres.Target{Server: user, Replace: true}
		if got, _ := problems(t, target, d); len(got) > 0 {
			t.Fatalf("in the way: %q", got)
		}
		load(t, target, d)
	}
	s.SQL(t, to, "DROP TABLE public.t; CREATE TABLE public.t (a int)")
	if _, err := problems(t, &postgres.Target{Server: user, Replace: true}, d); err == nil || !strings.Contains(err.Error(), "permission denied for table t") {
		t.Errorf("of a table of another's in the way: %v", err)
	}
}

func TestGrantsThatTheServerIgnoresAreNoted(t *testing.T) {
	s := shared.Get(t)
	db, to := s.Create(t, ""), s.Create(t, "")
	s.SQL(t, db, "CREATE TABLE public.t (a int); GRANT CREATE ON SCHEMA public TO pg_monitor")
	user := role(t, s, "preflight_outsider", "INHERIT").WithDatabase(to)
	s.SQL(t, db, "ALTER TABLE public.t OWNER TO preflight_outsider")
	s.SQL(t, to, "GRANT CREATE ON SCHEMA public TO preflight_outsider")
	l := load(t, &postgres.Target{Server: user}, sourced(t, s, db, source.Selection{}))
	if want := `the server warned: no privileges were granted for "public"`; !slices.Contains(l.Notes, want) {
		t.Errorf("notes: %q", l.Notes)
	}
}

func TestWhatOnlyASuperuserMayCreateIsNamed(t *testing.T) {
	s := shared.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `CREATE FUNCTION public.f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION public.f();
		CREATE FUNCTION public.c(text) RETURNS text LANGUAGE internal AS 'upper'; CREATE TABLE public.t (a int)`)
	d := sourced(t, s, db, source.Selection{})
	user := role(t, s, "preflight_nobody", "NOCREATEDB")
	got, _ := problems(t, &postgres.Target{Server: user.WithDatabase(s.Create(t, ""))}, d)
	want := "creating event trigger watch, function public.c(text): the role has not the rights: only a superuser may"
	if !slices.Contains(got, want) {
		t.Errorf("found %q", got)
	}
}

func TestWhatIsInTheWayIsNamedEach(t *testing.T) {
	s := shared.Get(t)
	db := smallVault(t, s)
	d := sourced(t, s, db, source.Selection{})
	to := s.Create(t, "")
	s.SQL(t, to, `CREATE TYPE public.mood AS ENUM ('calm', 'wild'); CREATE FUNCTION public.twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 3 * n';
		CREATE TABLE public.secrets (other text); CREATE TABLE public.audit (other text); CREATE TABLE public.unrelated (a int)`)
	target := &postgres.Target{Server: parse(t, s.SocketURL(to))}
	got, err := problems(t, target, d)
	want := []string{
		"target is not empty: function public.twice(integer) is there and is not what the dump has",
		"target is not empty: table public.audit is there",
		"target is not empty: table public.secrets is there",
	}
	if len(got) != len(want) {
		t.Fatalf("found %q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i][:40]) {
			t.Errorf("%q instead of %q", got[i], want[i])
		}
	}
	if !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("the error does not match: %v", err)
	}
	target.Replace = true
	if got, _ := problems(t, target, d); len(got) > 0 {
		t.Errorf("in the way of a replacement: %q", got)
	}
	s.SQL(t, to, `CREATE VIEW public.theirs AS SELECT other FROM public.secrets`)
	got, err = problems(t, target, d)
	if len(got) != 1 || !strings.Contains(got[0], "theirs") || !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("a view that would be lost: %q", got)
	}
	got, err = problems(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Create: true}, d)
	if len(got) != 1 || !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("a database that is there: %q", got)
	}
}

func TestADatabaseOfAnotherEncodingIsRefused(t *testing.T) {
	s := shared.Get(t)
	d := sourced(t, s, smallVault(t, s), source.Selection{})
	to := s.Create(t, "")
	s.SQL(t, "postgres", "DROP DATABASE "+to)
	s.SQL(t, "postgres", "CREATE DATABASE "+to+" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
	got, err := problems(t, &postgres.Target{Server: parse(t, s.SocketURL(to))}, d)
	if x := cmp.Diff([]string{"the encoding differs: it is LATIN1, that of the dump UTF8"}, got); x != "" || !errors.Is(err, postgres.ErrEncoding) {
		t.Error(x, err)
	}
}

func TestAServerThatIsNotThereIsAProblemWithoutSecrets(t *testing.T) {
	s := shared.Get(t)
	d := sourced(t, s, smallVault(t, s), source.Selection{})
	for _, url := range []string{s.SocketURL("no_such_database"), s.SocketURLAs("nobody", "hunter2", "postgres"), "postgres://a:hunter2@127.0.0.1:1/x"} {
		got, err := problems(t, &postgres.Target{Server: parse(t, url)}, d)
		if len(got) != 1 || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q", got)
		}
	}
}

func TestAServerWithoutRoomForWorkersIsRefused(t *testing.T) {
	s := shared.Get(t)
	d := sourced(t, s, smallVault(t, s), source.Selection{})
	got, _ := problems(t, &postgres.Target{Server: parse(t, s.SocketURL("not_yet_there")), Create: true, Workers: 100000}, d)
	if len(got) != 1 || !strings.HasPrefix(got[0], "the load needs 100002 connections") {
		t.Errorf("found %q", got)
	}
}

func TestPatternsThatMatchNothingAreAProblem(t *testing.T) {
	s := shared.Get(t)
	d := sourced(t, s, smallVault(t, s), source.Selection{})
	_, err := problems(t, &postgres.Target{Server: parse(t, s.SocketURL(s.Create(t, ""))), Only: []string{"no_such*"}}, d)
	if !errors.Is(err, postgres.ErrNoMatch) {
		t.Errorf("the error is %v", err)
	}
}
