package postgres_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/everything"
	"holdfast/snapshot/source/postgres"
)

// The rights that the documentation asks for, and nothing else.
const rights = `
	GRANT CONNECT ON DATABASE %s TO reader;
	GRANT USAGE ON SCHEMA public TO reader;
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
	GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader;`

func TestARoleWithExactlyTheDocumentedRightsIsEnough(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `REVOKE ALL ON DATABASE `+db+` FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC;
		CREATE ROLE reader LOGIN PASSWORD 'r';`)
	t.Cleanup(func() { s.SQL(t, "postgres", "DROP ROLE reader") })
	t.Cleanup(func() { s.SQL(t, db, "DROP OWNED BY reader") })
	s.SQL(t, db, `CREATE TABLE a (id serial PRIMARY KEY, v text); CREATE TABLE b (id int GENERATED ALWAYS AS IDENTITY, a int REFERENCES a);
		CREATE VIEW w AS SELECT * FROM a; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
		INSERT INTO a (v) SELECT repeat(i::text, 100) FROM generate_series(1, 5000) i;`)
	src := source(t, s.SocketURLAs("reader", "r", db))

	err := refuse(t, src, nil)
	if text := err.Error(); !strings.Contains(text, "permission denied") {
		t.Errorf("without CONNECT: %v", err)
	}
	s.SQL(t, db, "GRANT CONNECT ON DATABASE "+db+" TO reader")
	err = refuse(t, src, postgres.ErrDenied)
	for _, name := range []string{"public.a", "public.b", "public.a_id_seq", "public.b_id_seq"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("without rights: %v: %s is not named", err, name)
		}
	}
	s.SQL(t, db, strings.ReplaceAll(rights, "%s", db))
	d := take(t, src, nil)
	src.PartSize = 64 << 10
	if both(t, src, d); len(d.rows("a")) != 5000 {
		t.Errorf("%d rows of a", len(d.rows("a")))
	}
	s.SQL(t, db, "REVOKE SELECT ON b FROM reader")
	if err := refuse(t, src, postgres.ErrDenied); strings.Contains(err.Error(), "public.a") || !strings.Contains(err.Error(), "public.b") {
		t.Errorf("without rights on b: %v", err)
	}
	src.Tables = []string{"a"}
	take(t, src, nil)
	src.Tables = nil

	s.SQL(t, db, `GRANT SELECT ON b TO reader; ALTER TABLE a ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON a USING (id > 10)`)
	if err := refuse(t, src, postgres.ErrFiltered); !strings.Contains(err.Error(), "public.a") {
		t.Errorf("with row-level security: %v", err)
	}
	s.SQL(t, db, "ALTER ROLE reader BYPASSRLS")
	if d := take(t, src, nil); len(d.rows("a")) != 5000 {
		t.Errorf("%d rows of a past the policy", len(d.rows("a")))
	}
}

const shop = `CREATE SCHEMA sales; CREATE SCHEMA "odd.one";
	CREATE TABLE public.secrets (id int PRIMARY KEY); CREATE TABLE public.both (id int); CREATE TABLE sales.both (id int);
	CREATE TABLE sales.orders (id int REFERENCES public.secrets); CREATE TABLE "odd.one"."a*b" (id int); CREATE TABLE "odd.one".axb (id int);
	CREATE TABLE parent (id int) PARTITION BY RANGE (id); CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (10);
	CREATE TABLE old (id int); CREATE TABLE young () INHERITS (old);
	CREATE VIEW seen AS SELECT * FROM secrets; CREATE TABLE audit_1 (id int); CREATE TABLE audit_2 (id int);`

func TestSelections(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, shop)
	type selection = postgres.Selection
	everything := []string{"public.audit_1", "public.audit_2", "public.both", "public.child", "public.old", "public.secrets", "public.young",
		`odd.one.a*b`, "odd.one.axb", "sales.both", "sales.orders"}
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(everything), func(n string) bool { return slices.Contains(names, n) })
	}
	for _, c := range []struct {
		name    string
		s       selection
		want    []string // tables
		is      error
		message string
	}{
		{"everything", selection{}, everything, nil, ""},
		{"one table", selection{Tables: []string{"secrets"}}, []string{"public.secrets"}, nil, ""},
		{"a table of a schema", selection{Tables: []string{"sales.both"}}, []string{"sales.both"}, nil, ""},
		{"a glob", selection{Tables: []string{"audit_?"}}, []string{"public.audit_1", "public.audit_2"}, nil, ""},
		{"a glob for schemas too", selection{Tables: []string{"*.both"}}, []string{"public.both", "sales.both"}, nil, ""},
		{"quotes", selection{Tables: []string{`"odd.one"."a*b"`}}, []string{"odd.one.a*b"}, nil, ""},
		{"a schema", selection{Schemas: []string{"sales"}}, []string{"sales.both", "sales.orders"}, nil, ""},
		{"schemas by glob", selection{Schemas: []string{`"odd.one"`, "s*s"}}, []string{"odd.one.a*b", "odd.one.axb", "sales.both", "sales.orders"}, nil, ""},
		{"a parent", selection{Tables: []string{"parent", "old"}}, []string{"public.child", "public.old", "public.young"}, nil, ""},
		{"all but some", selection{Exclude: []string{"sales.*", "audit*"}}, without("sales.both", "sales.orders", "public.audit_1", "public.audit_2"), nil, ""},
		{"nothing that exists left out", selection{Exclude: []string{"nope"}}, everything, nil, ""},

		{"a table that is not there", selection{Tables: []string{"secrets", "secret"}}, nil, postgres.ErrNoSuchTable, `"secret"`},
		{"with a hint", selection{Tables: []string{"secretz"}}, nil, postgres.ErrNoSuchTable, "public.secrets"},
		{"a glob that matches nothing", selection{Tables: []string{"x*"}}, nil, postgres.ErrNoSuchTable, `"x*"`},
		{"a name in two schemas", selection{Tables: []string{"both"}}, nil, nil, "public.both, sales.both"},
		{"a schema that is not there", selection{Schemas: []string{"sale"}}, nil, postgres.ErrNoSuchTable, "sales"},
		{"a view", selection{Tables: []string{"seen"}}, nil, postgres.ErrUnsupported, "view"},
		{"a partition alone", selection{Tables: []string{"child"}}, nil, postgres.ErrUnsupported, "public.child"},
		{"a child alone", selection{Tables: []string{"young"}}, nil, postgres.ErrUnsupported, "public.young"},
		{"too many dots", selection{Tables: []string{"a.b.c"}}, nil, nil, "elements"},
		{"an open quote", selection{Tables: []string{`"a`}}, nil, nil, "quote"},
		{"all left out", selection{Exclude: []string{"*"}}, nil, postgres.ErrEmpty, ""},
		{"what a view needs left out", selection{Exclude: []string{"secrets", "sales.orders"}}, nil, postgres.ErrUnsupported, "seen"},
		{"a partition left out", selection{Exclude: []string{"child"}}, without("public.child"), nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := source(t, s.SocketURL(db))
			src.Selection = c.s
			if c.want == nil {
				if err := refuse(t, src, c.is); !strings.Contains(err.Error(), c.message) {
					t.Errorf("%v does not say %q", err, c.message)
				}
				return
			}
			d := take(t, src, nil)
			if diff := cmp.Diff(sorted(c.want), d.tables(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func (d *dump) tables(t testing.TB) []string {
	var all []string
	for _, s := range d.streams {
		if s.Format == postgres.FormatCopy {
			p := s.part(t)
			all = append(all, p.Schema+"."+p.Table)
		}
	}
	return slices.Compact(sorted(all))
}

// A dump of some tables has what they need, and nothing else.
func TestTheDefinitionsOfASelectionAreThoseOfItsTables(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, shop+`CREATE TYPE mood AS ENUM ('a'); CREATE TYPE other AS ENUM ('b'); CREATE TABLE moody (m mood);
		CREATE FUNCTION unrelated() RETURNS int LANGUAGE sql AS 'SELECT 1'`)
	d := take(t, source(t, s.SocketURL(db), "moody", "sales.orders"), nil)
	pre, post := d.find(postgres.PreData).body.String(), d.find(postgres.PostData).body.String()
	for _, want := range []string{"CREATE TYPE public.mood", "CREATE TABLE public.moody", "CREATE SCHEMA sales", "CREATE TABLE sales.orders"} {
		if !strings.Contains(pre, want) {
			t.Errorf("%q is missing from\n%s", want, pre)
		}
	}
	for _, not := range []string{"other", "unrelated", "audit_1", "CREATE TABLE public.secrets", "seen"} {
		if strings.Contains(pre+post, not) {
			t.Errorf("%q is in\n%s%s", not, pre, post)
		}
	}
	f := d.facts(t)
	want := []postgres.Outside{{Schema: "sales", Table: "orders", Constraint: "orders_id_fkey", ToSchema: "public", ToTable: "secrets"}}
	if diff := cmp.Diff(want, f.Outside); diff != "" {
		t.Error(diff)
	}
}

// Manifests are public. What a warning is about is for the log.
func TestWarningsNameNothingAndTheLogNamesAll(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, shop)
	src := source(t, s.SocketURL(db), "sales.orders")
	src.Exclude = []string{"nothing_like_it"}
	var log bytes.Buffer
	src.Log = slog.New(slog.NewTextHandler(&log, nil))
	warnings := strings.Join(take(t, src, nil).warnings, "\n")
	for about, name := range map[string]string{"foreign keys": "sales.orders.orders_id_fkey to public.secrets", "exclude": "nothing_like_it"} {
		if !strings.Contains(warnings, about) || strings.Contains(warnings, name) {
			t.Errorf("of %s the manifest says %q", about, warnings)
		}
		if !strings.Contains(log.String(), name) {
			t.Errorf("the log does not name %s:\n%s", name, log.String())
		}
	}
}

// The sequences of serial and identity columns go where their tables go.
func TestTableIsLeftOutWithItsSequences(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, "CREATE TABLE kept (id serial); CREATE TABLE gone (id serial, n int GENERATED ALWAYS AS IDENTITY); CREATE SEQUENCE free")
	src := source(t, s.SocketURL(db))
	src.Exclude = []string{"gone"}
	pre := take(t, src, nil).find(postgres.PreData).body.String()
	for text, want := range map[string]bool{"SEQUENCE public.kept_id_seq": true, "SEQUENCE public.free": true, "gone": false} {
		if strings.Contains(pre, text) != want {
			t.Errorf("%q should be in it: %t\n%s", text, want, pre)
		}
	}
}

func TestWhatCannotBeDumpedIsRefused(t *testing.T) {
	s := server.Get(t)
	for _, c := range []struct{ name, sql, exclude, message string }{
		{"large objects", `SELECT lo_create(0), lo_create(0)`, postgres.LargeObjects, "2 large objects"},
		{"foreign tables", `CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (id int) SERVER s`, "far", "public.far"},
		{"rows added to tables of extensions", `CREATE EXTENSION citext; CREATE TABLE conf (custom bool); INSERT INTO conf VALUES (true);
			ALTER EXTENSION citext ADD TABLE conf; UPDATE pg_extension SET extconfig = ARRAY['conf'::regclass::oid], extcondition = ARRAY['WHERE custom'] WHERE extname = 'citext'`,
			"conf", "public.conf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := s.Create(t, "")
			s.SQL(t, db, "CREATE TABLE t (id int);"+c.sql)
			src := source(t, s.SocketURL(db))
			if err := refuse(t, src, postgres.ErrUnsupported); !strings.Contains(err.Error(), c.message) {
				t.Errorf("%v does not say %q", err, c.message)
			}
			src.Exclude = []string{c.exclude}
			take(t, src, nil)
			src.Exclude, src.Tables = nil, []string{"t"}
			take(t, src, nil)
		})
	}
	t.Run("all of it at once", func(t *testing.T) {
		db := s.Create(t, "")
		s.SQL(t, db, everything.Refused)
		src := source(t, s.SocketURL(db))
		for _, exclude := range [][]string{nil, {postgres.LargeObjects}, {"elsewhere"}} {
			src.Exclude = exclude
			_ = refuse(t, src, postgres.ErrUnsupported)
		}
		src.Exclude = []string{postgres.LargeObjects, "elsewhere"}
		take(t, src, nil)
		for exclude, names := range map[string]string{"": "public.heir, public.leaf", "heir leaf": "window_out"} {
			src.Selection = postgres.Selection{Schemas: []string{"public"}, Exclude: append(strings.Fields(exclude), "elsewhere")}
			if err := refuse(t, src, postgres.ErrUnsupported); !strings.Contains(err.Error(), names) {
				t.Errorf("%v does not name %s", err, names)
			}
		}
		src.Exclude = []string{"elsewhere", "heir", "leaf", "window_out"}
		take(t, src, nil)
	})
	t.Run("a database without tables", func(t *testing.T) {
		_ = refuse(t, source(t, s.SocketURL(s.Create(t, ""))), postgres.ErrEmpty)
	})
}

func TestAnOlderClientIsRefused(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, "CREATE TABLE t (id int)")
	src := source(t, s.SocketURL(db))
	src.Program = s.OldPgDump(t, "11.22")
	if err := refuse(t, src, postgres.ErrClientTooOld); !strings.Contains(err.Error(), "11.22") || !strings.Contains(err.Error(), "15") {
		t.Errorf("%v does not name both versions", err)
	}
}
