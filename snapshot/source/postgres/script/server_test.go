package script_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/everything"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

var server fixtures.SharedPostgres

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

// withEverything makes a database that has all of it.
func withEverything(t *testing.T) (*fixtures.PostgresServer, string) {
	t.Helper()
	s := server.Get(t)
	db := s.Create(t, "")
	if err := everything.Load(t.Context(), s.URL(db)); err != nil {
		t.Fatal(err)
	}
	return s, db
}

func at(t *testing.T, s *fixtures.PostgresServer, database string) *link.Server {
	t.Helper()
	l, err := link.Parse(s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// resolved dumps a database and asks it what needs what.
func resolved(t *testing.T, s *fixtures.PostgresServer, database string, o script.Options) (pre, post *script.Script) {
	t.Helper()
	l := at(t, s, database)
	pre, post, err := script.Dump(t.Context(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	db, err := l.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := script.Resolve(t.Context(), db, pre, post); err != nil {
		t.Fatal(err)
	}
	return pre, post
}

func stored(t *testing.T, scripts ...*script.Script) string {
	t.Helper()
	var b bytes.Buffer
	for _, s := range scripts {
		if _, err := s.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// psql runs a file as psql takes it, stopping at the first error.
func psql(t *testing.T, s *fixtures.PostgresServer, database, text string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(s.Bin, "psql"), "-q", "-X", "-v", "ON_ERROR_STOP=1")
	cmd.Env = at(t, s, database).Environ()
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v: %s", err, out)
	}
}

func TestTheStoredFormMakesTheSameDatabase(t *testing.T) {
	s, db := withEverything(t)
	pre, post := resolved(t, s, db, script.Options{})
	want := s.Dump(t, db, "--schema-only")

	byPsql := s.Create(t, "")
	psql(t, s, byPsql, stored(t, pre, post))
	if d := cmp.Diff(want, s.Dump(t, byPsql, "--schema-only")); d != "" {
		t.Errorf("by psql: %s", d)
	}

	back, err := script.Parse(strings.NewReader(stored(t, pre)))
	if err != nil {
		t.Fatal(err)
	}
	byStatement := s.Create(t, "")
	c, err := at(t, s, byStatement).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, x := range []*script.Script{back, post} {
		for _, text := range x.Settings() {
			run(t, c, text)
		}
		for _, e := range x.Entries {
			for _, text := range e.Statements() {
				run(t, c, text)
			}
		}
	}
	if d := cmp.Diff(want, s.Dump(t, byStatement, "--schema-only")); d != "" {
		t.Errorf("statement by statement: %s", d)
	}
}

func run(t *testing.T, c *link.Conn, text string) {
	t.Helper()
	if err := c.Exec(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestEqualDefinitionsGiveEqualBytes(t *testing.T) {
	s, db := withEverything(t)
	first := stored(t, two(resolved(t, s, db, script.Options{}))...)
	copied := s.Copy(t, db, "")
	s.SQL(t, copied, "CREATE TABLE public.passing (a int); DROP TABLE public.passing")
	if d := cmp.Diff(first, stored(t, two(resolved(t, s, copied, script.Options{}))...)); d != "" {
		t.Errorf("a copy of the database: %s", d)
	}
}

func two(pre, post *script.Script) []*script.Script { return []*script.Script{pre, post} }

// Every entry can be picked alone, and with what comes along an empty database takes it.
func TestWhatIsPickedNeedsNothingElse(t *testing.T) {
	s, db := withEverything(t)
	pre, post := resolved(t, s, db, script.Options{})
	empty := s.Create(t, "")
	c, err := at(t, s, empty).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, want := range slices.Concat(pre.Entries, post.Entries) {
		a, b := script.Pick(pre, post, func(e script.Entry) bool { return e.ID == want.ID })
		run(t, c, "BEGIN")
		for _, text := range a.Settings() {
			run(t, c, text)
		}
		skipped := map[int]bool{}
		for _, e := range slices.Concat(a.Entries, b.Entries) {
			if skipped[e.ID] = e.Type == "FK CONSTRAINT" || skipped[e.Of]; skipped[e.ID] {
				continue // the table it refers to was not asked for
			}
			for _, text := range e.Statements() {
				if err := c.Exec(t.Context(), text); err != nil {
					t.Fatalf("with %s %s.%s, %s %s: %v", want.Type, want.Schema, want.Name, e.Type, e.Name, err)
				}
			}
		}
		run(t, c, "ROLLBACK")
	}
}

func TestEntriesOfAWholeDumpLackNothing(t *testing.T) {
	s, db := withEverything(t)
	pre, post := resolved(t, s, db, script.Options{})
	for i, e := range slices.Concat(pre.Entries, post.Entries) {
		if len(e.Lacks) > 0 {
			t.Errorf("%s %s lacks %q", e.Type, e.Name, e.Lacks)
		}
		if e.ID != i+1 {
			t.Errorf("entry %d has the number %d", i+1, e.ID)
		}
		for _, n := range e.Needs {
			if n >= e.ID {
				t.Errorf("entry %d needs %d, which comes after it", e.ID, n)
			}
		}
		if e.Of == 0 && (e.Type == "INDEX" || e.Type == "CONSTRAINT" || e.Type == "TRIGGER" || e.Type == "POLICY" || e.Type == "DEFAULT" || e.Type == "TABLE ATTACH") {
			t.Errorf("%s %s is part of nothing", e.Type, e.Name)
		}
	}
}

func TestATableBringsWhatItNeedsAndNothingElse(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `
		CREATE SCHEMA apart; CREATE SCHEMA elsewhere;
		CREATE EXTENSION citext;
		CREATE TYPE apart.mood AS ENUM ('a', 'b');
		CREATE FUNCTION apart.fresh() RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION apart.check_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE FUNCTION public.unrelated() RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE TABLE public.other (id serial PRIMARY KEY);
		CREATE TABLE public.t (id serial PRIMARY KEY, m apart.mood, c citext, f int DEFAULT apart.fresh(), o int REFERENCES public.other);
		CREATE TRIGGER g BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION apart.check_it();
		CREATE TABLE elsewhere.p (a int PRIMARY KEY REFERENCES public.other) PARTITION BY RANGE (a);
		CREATE TABLE public.p1 PARTITION OF elsewhere.p FOR VALUES FROM (0) TO (9);
		CREATE TRIGGER pt BEFORE INSERT ON elsewhere.p FOR EACH ROW EXECUTE FUNCTION apart.check_it(); ALTER TABLE public.p1 DISABLE TRIGGER pt;
		COMMENT ON TABLE public.t IS 'x'; GRANT SELECT (m) ON public.t TO PUBLIC; GRANT SELECT ON public.t TO PUBLIC;
		ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; CREATE POLICY pol ON public.t USING (true);
		CREATE INDEX i ON public.t ((1)); CREATE STATISTICS public.st ON id, m FROM public.t; CREATE RULE r AS ON DELETE TO public.t DO INSTEAD NOTHING;
		ALTER TABLE public.t ADD CONSTRAINT late CHECK (f > 0) NOT VALID; COMMENT ON CONSTRAINT late ON public.t IS 'x'; COMMENT ON POLICY pol ON public.t IS 'x';
		CREATE VIEW public.v AS SELECT * FROM public.t;`)
	pre, post := resolved(t, s, db, script.Options{})
	list := func(table string) []string {
		a, b := script.Pick(pre, post, func(e script.Entry) bool { return e.Type == "TABLE" && e.Name == table })
		var got []string
		for _, e := range slices.Concat(a.Entries, b.Entries) {
			got = append(got, e.Type+" "+e.Name)
		}
		slices.Sort(got)
		return got
	}
	want := []string{"ACL COLUMN t.m", "ACL TABLE t", "CHECK CONSTRAINT t late", "COMMENT CONSTRAINT late ON t", "COMMENT EXTENSION citext", "COMMENT POLICY pol ON t",
		"COMMENT TABLE t", "CONSTRAINT t t_pkey", "DEFAULT t id", "EXTENSION citext", "FK CONSTRAINT t t_o_fkey", "FUNCTION check_it()", "FUNCTION fresh()",
		"INDEX i", "POLICY t pol", "ROW SECURITY t", "RULE t r", "SCHEMA apart", "SEQUENCE OWNED BY t_id_seq", "SEQUENCE t_id_seq", "STATISTICS st",
		"TABLE t", "TRIGGER t g", "TYPE mood"}
	if d := cmp.Diff(want, list("t")); d != "" {
		t.Errorf("a table: %s", d)
	}
	if d := cmp.Diff([]string{"CONSTRAINT p1 p1_pkey", "TABLE p1"}, list("p1")); d != "" {
		t.Errorf("a partition: %s", d)
	}
	want = []string{"CONSTRAINT p p_pkey", "CONSTRAINT p1 p1_pkey", "FK CONSTRAINT p p_a_fkey", "FUNCTION check_it()", "INDEX ATTACH p1_pkey", "SCHEMA apart", "SCHEMA elsewhere",
		"TABLE ATTACH p1", "TABLE p", "TABLE p1", "TRIGGER p pt", "TRIGGER p1 pt"}
	if d := cmp.Diff(want, list("p")); d != "" {
		t.Errorf("a partitioned table: %s", d)
	}
	i := slices.IndexFunc(post.Entries, func(e script.Entry) bool { return e.Name == "t t_o_fkey" })
	from, to, ok := post.Entries[i].ForeignKey()
	if !ok || from.String() != "public.t" || to.String() != "public.other" {
		t.Errorf("the foreign key is from %v to %v, %v", from, to, ok)
	}
}

func TestExcludedRelationsAreFoundByTheirExactNames(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	odd := []string{"plain", "Upper", `quo"te`, "d.o.t", "star*", "que?stion", "a|b", "(paren)", "dol$lar", "back\\slash", "new\nline", "häß", "select", "[x]", "{1}", "^", " "}
	for _, n := range odd {
		s.SQL(t, db, "CREATE TABLE public."+ident(n)+" (a int); CREATE TABLE public."+ident(n+"_kept")+" (a int)")
	}
	s.SQL(t, db, `CREATE SCHEMA "gone.*"; CREATE TABLE "gone.*".a (a int); CREATE TYPE "gone.*".stays AS ENUM ('a'); CREATE SCHEMA "gone.x"; CREATE TABLE "gone.x".kept (a int)`)
	o := script.Options{Exclude: []script.Relation{{Schema: "gone.*"}}}
	for _, n := range odd {
		o.Exclude = append(o.Exclude, script.Relation{Schema: "public", Name: n})
	}
	pre, _ := resolved(t, s, db, o)
	var got []string
	for _, e := range pre.Entries {
		if e.Type == "TABLE" {
			got = append(got, e.Name)
		}
	}
	want := []string{"kept"}
	for _, n := range odd {
		want = append(want, n+"_kept")
	}
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func TestThousandsOfRelationsCanBeExcluded(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `CREATE TABLE public.kept (a int)`)
	var o script.Options
	for i := range 8000 {
		o.Exclude = append(o.Exclude, script.Relation{Schema: "public", Name: strings.Repeat("n", 50) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))})
	}
	pre, _ := resolved(t, s, db, o)
	if len(pre.Entries) != 1 {
		t.Errorf("%d entries", len(pre.Entries))
	}
	for range 50000 {
		o.Exclude = append(o.Exclude, script.Relation{Schema: strings.Repeat("s", len(o.Exclude)%60), Name: strings.Repeat("x", 50) + string(rune(0x4e00+len(o.Exclude)))})
	}
	if _, _, err := script.Dump(t.Context(), at(t, s, db), o); err == nil || !strings.Contains(err.Error(), "leave out whole schemas") {
		t.Errorf("a command line that is too long: %v", err)
	}
}

func TestAnExcludedTypeIsSaidToBeLacking(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `CREATE TABLE public.gone (a int); CREATE TABLE public.t (a public.gone[]); CREATE VIEW public.v AS SELECT * FROM public.gone`)
	pre, _ := resolved(t, s, db, script.Options{Exclude: []script.Relation{{Schema: "public", Name: "gone"}}})
	lacks := map[string][]string{}
	for _, e := range pre.Entries {
		lacks[e.Name] = e.Lacks
	}
	if d := cmp.Diff(map[string][]string{"t": {"table public.gone"}, "v": {"table public.gone"}}, lacks); d != "" {
		t.Error(d)
	}
}

func TestADumpThatIsCutIsNeverTakenForWhole(t *testing.T) {
	s, db := withEverything(t)
	whole := s.Dump(t, db, "--schema-only", "--verbose")
	lines := strings.Count(whole, "\n")
	for _, code := range []int{0, 1} {
		for n := 0; n < lines-4; n += 1 + lines/40 {
			p := &script.Program{Path: s.BrokenPgDump(t, n, code), Major: 15}
			_, _, err := script.Dump(t.Context(), at(t, s, db), script.Options{Program: p})
			if err == nil {
				t.Fatalf("%d of %d lines, exit code %d: no error", n, lines, code)
			}
			if code == 0 && !errors.Is(err, script.ErrCut) {
				t.Errorf("%d of %d lines: %v", n, lines, err)
			}
		}
	}
}

func TestWhatPgDumpComplainsOfIsToldWithoutSecrets(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, "CREATE TABLE public.t (a int); DROP ROLE IF EXISTS nobody_here; CREATE ROLE nobody_here LOGIN PASSWORD 'hunter2secret'")
	l, err := link.Parse(s.URLAs("nobody_here", "hunter2secret", db))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = script.Dump(t.Context(), l, script.Options{})
	if err == nil || !strings.Contains(err.Error(), "permission denied for table t") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("without rights: %v", err)
	}
	l, err = link.Parse(s.URLAs("nobody_here", "wrong2secret", db))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = script.Dump(t.Context(), l, script.Options{Program: &script.Program{Path: filepath.Join(s.Bin, "pg_dump"), Major: 15}})
	if err == nil || !strings.Contains(err.Error(), "password authentication failed") || strings.Contains(err.Error(), "wrong2") {
		t.Errorf("with the wrong password: %v", err)
	}
}

func TestAnOldPgDumpIsRefused(t *testing.T) {
	s := server.Get(t)
	_, err := script.FindFor(t.Context(), at(t, s, s.Create(t, "")), s.OldPgDump(t, "14.9"))
	if !errors.Is(err, script.ErrClientTooOld) || !strings.Contains(err.Error(), "14.9") {
		t.Errorf("an old pg_dump: %v", err)
	}
	p, err := script.Find(t.Context(), "", 150018)
	if err != nil || p.Major < 15 {
		t.Errorf("the newest: %+v, %v", p, err)
	}
	if _, err := script.Find(t.Context(), "/bin/true", 150018); err == nil {
		t.Error("/bin/true was taken for pg_dump")
	}
}

func TestACancelledDumpEndsAtOnce(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, "CREATE TABLE public.t (a int)")
	tx, err := s.DB(t, db).Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	go stop()
	if _, _, err := script.Dump(ctx, at(t, s, db), script.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	_, _, err = script.Dump(t.Context(), at(t, s, db), script.Options{LockWait: 100 * 1e6})
	if err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("a table that stays locked: %v", err)
	}
}

// A pg_dump that is killed leaves a session behind that waits for its lock and holds others meanwhile.
func TestACancelledDumpLeavesNoSessionThatWaits(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, "CREATE TABLE public.t (a int)")
	tx, err := s.DB(t, db).Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	waiting := func(want string) {
		t.Helper()
		sql := "SELECT count(*) FROM pg_stat_activity WHERE datname = '" + db + "' AND wait_event_type = 'Lock'"
		for end := time.Now().Add(time.Minute); s.Value(t, "postgres", sql) != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it is not so that %s sessions wait", want)
			}
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		_, _, err := script.Dump(ctx, at(t, s, db), script.Options{LockWait: time.Minute})
		done <- err
	}()
	waiting("1")
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	waiting("0")
}

// With its roles taken out, the schema that has everything names none that is missing.
func TestNoRoleIsOverlooked(t *testing.T) {
	s, db := withEverything(t)
	pre, post := resolved(t, s, db, script.Options{})
	want := s.Value(t, db, `SELECT string_agg(DISTINCT r.rolname, ',' ORDER BY r.rolname) FROM pg_catalog.pg_roles r
		JOIN pg_catalog.pg_shdepend d ON d.refobjid = r.oid AND d.refclassid = 'pg_catalog.pg_authid'::regclass
		WHERE d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) AND NOT r.rolsuper`)
	roles := append(pre.Roles(), post.Roles()...)
	for _, r := range strings.Split(want, ",") {
		if !slices.Contains(roles, r) {
			t.Errorf("role %q is not among %q", r, roles)
		}
	}
	for _, x := range two(pre, post) {
		bare, _ := x.WithoutRoles(func(string) bool { return true })
		if left := bare.Roles(); len(left) > 0 {
			t.Errorf("roles %q are left", left)
		}
	}
	everyRole := func(string) bool { return true }
	a, _ := pre.WithoutRoles(everyRole)
	b, _ := post.WithoutRoles(everyRole)
	psql(t, s, s.Create(t, ""), stored(t, a, b))
}
