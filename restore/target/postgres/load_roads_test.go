package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/everything"
	"holdfast/restore"
	"holdfast/restore/target/postgres"
	source "holdfast/snapshot/source/postgres"
)

func TestChosenTablesComeWithAllTheyNeed(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	s.SQL(t, from, "CREATE TYPE unrelated AS ENUM ('x')")
	d := takeDump(t, s, from)
	to := s.Create(t, "")
	l := load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Only: []string{"secr*", "public.counted"}}, d)
	want := s.Dump(t, from, "-t", "secrets", "-t", "counted")
	if diff := cmp.Diff(arranged(want), arranged(s.Dump(t, to, "-t", "secrets", "-t", "counted"))); diff != "" {
		t.Errorf("what came back differs:\n%s", diff)
	}
	if got := s.Value(t, to, "SELECT string_agg(relname, ' ' ORDER BY 1) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'S')"); got != "counted counted_id_seq secrets" {
		t.Errorf("the target has %s", got)
	}
	if got := s.Value(t, to, "SELECT count(*) FROM pg_type WHERE typname IN ('unrelated', 'mood')"); got != "1" {
		t.Error("a type came that nothing needs, or one did not come")
	}
	for _, x := range l.Streams {
		if strings.Contains(x.Name, "audit") {
			t.Errorf("stream %s was loaded", x.Name)
		}
	}
	for _, name := range d.opened {
		if strings.Contains(name, "audit") {
			t.Errorf("stream %s was read", name)
		}
	}
}

func TestQuotedPatternsChooseNamesWithDots(t *testing.T) {
	s := shared.Get(t)
	from := s.Create(t, "")
	s.SQL(t, from, `CREATE SCHEMA a; CREATE TABLE a.b (n int); CREATE TABLE public."a.b" (n int); CREATE TABLE public."a*" (n int); CREATE TABLE public."a2" (n int)`)
	d := takeDump(t, s, from)
	for only, want := range map[string]string{`"a.b"`: "public.a.b", "a.b": "a.b", `public."a*"`: "public.a*", "public.a*": "public.a*, public.a.b, public.a2"} {
		to := s.Create(t, "")
		load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Only: []string{only}}, d)
		if got := s.Value(t, to, "SELECT string_agg(schemaname || '.' || tablename, ', ' ORDER BY schemaname, tablename COLLATE \"C\") FROM pg_tables WHERE schemaname IN ('a', 'public')"); got != want {
			t.Errorf("%s chose %s instead of %s", only, got, want)
		}
	}
	_, err := (&postgres.Target{Server: parse(t, s.SocketURL(from)), Only: []string{"a.b.c", `"x`}}).Load(t.Context(), d)
	if err == nil || !strings.Contains(err.Error(), `a.b.c`) || !strings.Contains(err.Error(), "not closed") {
		t.Errorf("got %v", err)
	}
}

func TestPatternThatMatchesNothingIsRefused(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	_, err := (&postgres.Target{Server: parse(t, s.SocketURL(s.Create(t, ""))), Only: []string{"secrets", "nothing_*"}}).Load(t.Context(), d)
	if !errors.Is(err, postgres.ErrNoMatch) || !strings.Contains(err.Error(), "nothing_*") || strings.Contains(err.Error(), "secrets:") {
		t.Errorf("got %v", err)
	}
}

func TestChosenTableRefersToOneOfTheTarget(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	d := takeDump(t, s, from)
	only := []string{"audit"}
	there := smallVault(t, s)
	s.SQL(t, there, "DROP TABLE audit CASCADE")
	load(t, &postgres.Target{Server: parse(t, s.SocketURL(there)), Only: only}, d)
	if got := s.Value(t, there, "SELECT count(*) FROM pg_constraint WHERE conname = 'audit_secret_fkey' AND convalidated"); got != "1" {
		t.Error("the foreign key did not come")
	}

	lacking := s.Create(t, "")
	target := &postgres.Target{Server: parse(t, s.SocketURL(lacking)), Only: only}
	if _, err := target.Load(t.Context(), d); err == nil {
		t.Error("a foreign key to nowhere was made")
	}
	target.SkipMissing = true
	l := load(t, target, d)
	if !strings.Contains(strings.Join(l.Notes, "\n"), "audit_secret_fkey") {
		t.Errorf("notes: %q", l.Notes)
	}
	if s.Value(t, lacking, "SELECT count(*) FROM audit") != "400" {
		t.Error("rows are missing")
	}
}

func TestRolesThatAreMissingAreLeftOutIfAsked(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	s.SQL(t, from, "DROP ROLE IF EXISTS holdfast_leaver")
	s.SQL(t, from, "CREATE ROLE holdfast_leaver; ALTER TABLE counted OWNER TO holdfast_leaver; GRANT SELECT ON secrets TO holdfast_leaver; GRANT SELECT ON audit TO pg_monitor")
	d := takeDump(t, s, from)
	s.SQL(t, from, "REASSIGN OWNED BY holdfast_leaver TO CURRENT_USER; DROP OWNED BY holdfast_leaver; DROP ROLE holdfast_leaver")
	to := s.Create(t, "")
	target := &postgres.Target{Server: parse(t, s.SocketURL(to))}
	if _, err := target.Load(t.Context(), d); err == nil {
		t.Error("an owner was set who is not there")
	}
	target.SkipMissing = true
	l := load(t, target, d)
	if !strings.Contains(strings.Join(l.Notes, "\n"), "holdfast_leaver") {
		t.Errorf("notes: %q", l.Notes)
	}
	if diff := cmp.Diff(arranged(s.Dump(t, from)), arranged(s.Dump(t, to))); diff != "" {
		t.Errorf("what came back differs:\n%s", diff)
	}
}

func TestSchemaGetsAnotherName(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	d := takeDump(t, s, from)
	to := changed(t, s)
	before := s.Dump(t, to)
	for _, create := range []bool{false, true} {
		database := to
		if create {
			database = s.Create(t, "")
		}
		target := &postgres.Target{Server: parse(t, s.SocketURL(database)), Schema: "restored", Create: create, Replace: create}
		load(t, target, d)
		want := strings.ReplaceAll(s.Dump(t, from, "--schema=public"), "public", "restored")
		got := s.Dump(t, database, "--schema=restored")
		if diff := cmp.Diff(arranged(withoutSchema(want)), arranged(withoutSchema(got))); diff != "" {
			t.Errorf("create %v: what came back differs:\n%s", create, diff)
		}
		if diff := cmp.Diff(before, s.Dump(t, to, "--exclude-schema=restored")); diff != "" {
			t.Errorf("create %v: the rest of the target is another:\n%s", create, diff)
		}
		if create {
			continue
		}
		if _, err := target.Load(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
			t.Errorf("a schema was replaced: %v", err)
		}
	}
}

// withoutSchema leaves out how the schema itself is made, which differs for public.
func withoutSchema(dump string) string {
	_, after, _ := strings.Cut(dump, "Type: TYPE;")
	return after
}

func TestSeveralSchemasCannotBecomeOne(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	s.SQL(t, from, "CREATE SCHEMA second; CREATE TABLE second.t (id integer)")
	d := takeDump(t, s, from)
	_, err := (&postgres.Target{Server: parse(t, s.SocketURL(s.Create(t, ""))), Schema: "one"}).Load(t.Context(), d)
	if !errors.Is(err, postgres.ErrSchemas) {
		t.Errorf("got %v", err)
	}
}

func TestRowsThatBelongInOtherPartitionsFindThem(t *testing.T) {
	s := shared.Get(t)
	from := s.Create(t, "")
	s.SQL(t, from, everything.Moving)
	d := takeDump(t, s, from)
	for _, create := range []bool{false, true} {
		to := s.Create(t, "")
		if !create { // other numbers for the labels
			s.SQL(t, to, "CREATE TYPE public.first AS ENUM ('1', '2', '3')")
		}
		load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Create: create, Replace: create}, d)
		const rows = "SELECT string_agg(id || c::text, ' ' ORDER BY id) FROM moving"
		if diff := cmp.Diff(s.Value(t, from, rows), s.Value(t, to, rows)); diff != "" {
			t.Errorf("create %v: what came back differs:\n%s", create, diff)
		}
	}
}

func TestRoleWithoutPrivilegesRestoresAndReadsBack(t *testing.T) {
	s := shared.Get(t)
	s.SQL(t, "postgres", "DROP ROLE IF EXISTS holdfast_plain")
	s.SQL(t, "postgres", "CREATE ROLE holdfast_plain LOGIN CREATEDB PASSWORD 'plain'")
	from := s.Create(t, "")
	s.SQL(t, from, "SET ROLE holdfast_plain; RESET ROLE; ALTER DATABASE "+from+" OWNER TO holdfast_plain; SET ROLE holdfast_plain;"+small+`
		ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; ALTER TABLE secrets FORCE ROW LEVEL SECURITY; CREATE POLICY none ON secrets USING (false);
		REVOKE ALL ON audit FROM holdfast_plain`)
	t.Cleanup(func() { s.SQL(t, "postgres", "DROP ROLE holdfast_plain") })
	t.Cleanup(func() {
		s.SQL(t, from, "REASSIGN OWNED BY holdfast_plain TO CURRENT_USER; DROP OWNED BY holdfast_plain")
	})
	s.SQL(t, from, "DROP MATERIALIZED VIEW total") // it could not be filled, neither there
	d := takeDump(t, s, from)
	for _, create := range []bool{false, true} {
		to := s.Create(t, "")
		s.SQL(t, to, "ALTER DATABASE "+to+" OWNER TO holdfast_plain")
		load(t, &postgres.Target{Server: parse(t, s.SocketURLAs("holdfast_plain", "plain", to)), Create: create, Replace: create}, d)
		if diff := cmp.Diff(arranged(s.Dump(t, from)), arranged(s.Dump(t, to))); diff != "" {
			t.Errorf("create %v: what came back differs:\n%s", create, diff)
		}
	}
}

func TestTargetThatCannotHoldTheRowsIsRefused(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	s.SQL(t, from, "INSERT INTO secrets (id, name) VALUES (1000, '数')")
	d := takeDump(t, s, from)
	s.SQL(t, "postgres", "CREATE DATABASE holdfast_latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
	t.Cleanup(func() { s.SQL(t, "postgres", "DROP DATABASE holdfast_latin1") })
	before := s.Dump(t, "holdfast_latin1")
	_, err := (&postgres.Target{Server: parse(t, s.SocketURL("holdfast_latin1"))}).Load(t.Context(), d)
	if err == nil {
		t.Error("rows were loaded that the target cannot hold")
	}
	if diff := cmp.Diff(before, s.Dump(t, "holdfast_latin1")); diff != "" {
		t.Errorf("the target is another:\n%s", diff)
	}
}

func TestLargeValueComesBack(t *testing.T) {
	s := shared.Get(t)
	from := all(t, s)
	if err := everything.LoadBig(t.Context(), s.SocketURL(from), 100_000_000); err != nil {
		t.Fatal(err)
	}
	d := takeDump(t, s, from)
	to := s.Create(t, "")
	load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Only: []string{"app.big"}}, d)
	const digest = "SELECT md5(string_agg(t::text, '')) FROM app.big t"
	if s.Value(t, from, digest) != s.Value(t, to, digest) {
		t.Error("the value is another")
	}
}

func TestIdleSequenceStaysWhereItWas(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	s.SQL(t, from, "CREATE SEQUENCE used; SELECT setval('used', 42)")
	d := takeDump(t, s, from)
	to := s.Create(t, "")
	load(t, &postgres.Target{Server: parse(t, s.SocketURL(to))}, d)
	if got := s.Value(t, to, "SELECT nextval('lone') || ' ' || nextval('used')"); got != "42 43" {
		t.Errorf("the next values are %s", got)
	}
}

func TestSequencesAreReadWholeOrRefused(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	d.data[source.Sequences] = append(d.data[source.Sequences], "DROP TABLE x;\n"...)
	_, err := (&postgres.Target{Server: parse(t, s.SocketURL(s.Create(t, "")))}).Load(t.Context(), d)
	if err == nil || !strings.Contains(err.Error(), "no setval") {
		t.Errorf("got %v", err)
	}
}

func TestEveryRoadPassesPreflight(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	kept := smallVault(t, s)
	s.SQL(t, kept, reports)
	for name, target := range map[string]*postgres.Target{
		"empty":    {Server: parse(t, s.SocketURL(s.Create(t, "")))},
		"replaced": {Server: parse(t, s.SocketURL(changed(t, s))), Replace: true},
		"kept":     {Server: parse(t, s.SocketURL(kept)), Replace: true},
		"chosen":   {Server: parse(t, s.SocketURL(changed(t, s))), Replace: true, Only: []string{"counted"}},
		"schema":   {Server: parse(t, s.SocketURL(changed(t, s))), Schema: "restored"},
		"created":  {Server: parse(t, s.SocketURL(s.Create(t, ""))), Create: true, Replace: true},
		"beside":   {Server: parse(t, s.SocketURL("holdfast_beside")), Create: true, Rehearse: true},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := restore.Run(t.Context(), d, target)
			if err != nil {
				t.Fatal(err)
			}
			if l.Place != target.Server.String() {
				t.Errorf("restored to %q", l.Place)
			}
		})
	}
}
