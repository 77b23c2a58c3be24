package postgres_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/restore"
	"holdfast/restore/target/postgres"
)

func TestOccupiedTargetIsRefusedWithoutReplace(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	to := changed(t, s)
	before := s.Dump(t, to)
	_, err := (&postgres.Target{Server: parse(t, s.SocketURL(to))}).Load(t.Context(), d)
	if !errors.Is(err, restore.ErrOccupied) {
		t.Fatalf("got %v", err)
	}
	for _, name := range []string{"public.secrets", "public.audit", "public.lone", "public.total"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, s.Dump(t, to)); diff != "" {
		t.Errorf("the target is another:\n%s", diff)
	}
}

func TestReplaceLeavesWhatIsNotInTheDump(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	d := takeDump(t, s, from)
	to := changed(t, s)
	load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}, d)
	if s.Value(t, to, "SELECT to_regclass('other')") != "other" {
		t.Error("a table that is not in the dump is gone")
	}
	s.SQL(t, to, "DROP TABLE other")
	if diff := cmp.Diff(arranged(s.Dump(t, from)), arranged(s.Dump(t, to))); diff != "" {
		t.Errorf("what came back differs:\n%s", diff)
	}
}

func TestReplaceRefusesToDropWhatOthersNeed(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	for name, outside := range map[string]string{
		"view monthly":                   "CREATE VIEW monthly AS SELECT more FROM secrets",
		"elsewhere_secret_fkey":          "CREATE TABLE elsewhere (secret integer REFERENCES secrets)",
		"function of_a_secret(secrets)":  "CREATE FUNCTION of_a_secret(secrets) RETURNS text LANGUAGE sql AS 'SELECT NULL'",
		"default value for column id":    "CREATE TABLE elsewhere (id integer DEFAULT nextval('lone')); ALTER SEQUENCE lone INCREMENT 2",
		"publication of table":           "CREATE PUBLICATION changes FOR TABLE secrets",
		"table late":                     "CREATE TABLE late () INHERITS (secrets)",
		"rule also on table elsewhere":   "CREATE TABLE elsewhere (id integer); CREATE RULE also AS ON INSERT TO elsewhere DO ALSO DELETE FROM secrets",
		"policy mine on table elsewhere": "CREATE TABLE elsewhere (id integer); CREATE POLICY mine ON elsewhere USING (id IN (SELECT id FROM secrets))",
	} {
		t.Run(name, func(t *testing.T) {
			to := changed(t, s)
			s.SQL(t, to, outside)
			before := s.Dump(t, to)
			_, err := (&postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}).Load(t.Context(), d)
			if !errors.Is(err, restore.ErrOccupied) || !strings.Contains(err.Error(), strings.Fields(name)[0]) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(before, s.Dump(t, to)); diff != "" {
				t.Errorf("the target is another:\n%s", diff)
			}
		})
	}
}

const reports = `CREATE VIEW monthly AS SELECT note FROM audit;
	CREATE TABLE reviews (secret integer REFERENCES secrets DEFERRABLE, who text);
	COMMENT ON CONSTRAINT reviews_secret_fkey ON reviews IS 'kept';
	INSERT INTO reviews VALUES (7, 'me');
	CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'this table does not change'; END$$;`

func TestReplaceKeepsTablesThatOthersNeed(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	s.SQL(t, from, "CREATE TABLE days (day date, n integer) PARTITION BY RANGE (day); CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); INSERT INTO days VALUES ('2026-01-07', 1); CREATE INDEX ON days (n)")
	d := takeDump(t, s, from)
	to := s.Copy(t, from, "")
	s.SQL(t, to, reports+"CREATE VIEW january AS SELECT * FROM days")
	want := s.Dump(t, to)
	s.SQL(t, to, "DELETE FROM audit WHERE id > 9; UPDATE secrets SET name = 'x'; INSERT INTO days VALUES ('2026-01-08', 2); SELECT nextval('audit_id_seq')")

	before := s.Dump(t, to)
	rehearsal := load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true, Rehearse: true}, d)
	if diff := cmp.Diff(before, s.Dump(t, to)); diff != "" {
		t.Errorf("a rehearsal left something behind:\n%s", diff)
	}
	l := load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}, d)
	if diff := cmp.Diff(arranged(want), arranged(s.Dump(t, to))); diff != "" {
		t.Errorf("what came back differs:\n%s", diff)
	}
	for _, loaded := range []restore.Loaded{rehearsal, l} {
		if !slices.ContainsFunc(loaded.Notes, func(n string) bool { return strings.HasPrefix(n, "public.audit stayed") }) {
			t.Errorf("notes: %q", loaded.Notes)
		}
	}
}

func TestTriggersOfKeptTablesDoNotFire(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	s.SQL(t, from, `CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'this table does not change'; END$$;
		CREATE TRIGGER forbid BEFORE INSERT OR TRUNCATE ON secrets EXECUTE FUNCTION forbid();
		CREATE TRIGGER always AFTER INSERT ON secrets EXECUTE FUNCTION forbid(); ALTER TABLE secrets ENABLE ALWAYS TRIGGER always;
		CREATE TRIGGER never AFTER INSERT ON secrets EXECUTE FUNCTION forbid(); ALTER TABLE secrets DISABLE TRIGGER never;
		ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; ALTER TABLE secrets FORCE ROW LEVEL SECURITY`)
	d := takeDump(t, s, from)
	to := s.Copy(t, from, "")
	s.SQL(t, to, "CREATE VIEW outside AS SELECT id FROM secrets")
	before := s.Dump(t, to)
	load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}, d)
	if diff := cmp.Diff(before, s.Dump(t, to)); diff != "" {
		t.Errorf("what came back differs:\n%s", diff)
	}
}

func TestForeignKeysFromOutsideAreCheckedAgain(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	d := takeDump(t, s, from)
	to := s.Copy(t, from, "")
	s.SQL(t, to, reports+"INSERT INTO secrets VALUES (1000, 'later'); INSERT INTO reviews VALUES (1000, 'you')")
	before := s.Dump(t, to)
	_, err := (&postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}).Load(t.Context(), d)
	if err == nil || !strings.Contains(err.Error(), "reviews_secret_fkey") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, s.Dump(t, to)); diff != "" {
		t.Errorf("the target is another:\n%s", diff)
	}
}

func TestRehearsalLeavesNothing(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	cluster := func() string {
		return s.Value(t, "postgres", `SELECT (SELECT string_agg(datname, ' ' ORDER BY 1) FROM pg_database) || '; ' || (SELECT string_agg(rolname, ' ' ORDER BY 1) FROM pg_roles)`)
	}
	for name, target := range map[string]*postgres.Target{
		"empty":    {Server: parse(t, s.SocketURL(s.Create(t, "")))},
		"replaced": {Server: parse(t, s.SocketURL(changed(t, s))), Replace: true},
		"created":  {Server: parse(t, s.SocketURL(s.Create(t, ""))), Replace: true, Create: true},
		"schema":   {Server: parse(t, s.SocketURL(changed(t, s))), Schema: "rehearsed"},
	} {
		t.Run(name, func(t *testing.T) {
			target.Rehearse = true
			database := target.Server.Database()
			before, clusterBefore := s.Dump(t, database), cluster()
			l := load(t, target, d)
			if len(l.Streams) != len(d.infos) || !strings.Contains(strings.Join(l.Notes, "\n"), "rehearsed") {
				t.Errorf("%d streams of %d were loaded; notes: %q", len(l.Streams), len(d.infos), l.Notes)
			}
			if diff := cmp.Diff(before, s.Dump(t, database)); diff != "" {
				t.Errorf("the rehearsal left something behind:\n%s", diff)
			}
			if diff := cmp.Diff(clusterBefore, cluster()); diff != "" {
				t.Errorf("the rehearsal left something behind:\n%s", diff)
			}
		})
	}
}
