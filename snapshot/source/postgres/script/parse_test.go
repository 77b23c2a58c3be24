package script

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func parsed(t *testing.T, text string) *Script {
	t.Helper()
	s, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(t *testing.T, s *Script) string {
	t.Helper()
	var b bytes.Buffer
	n, err := s.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes of %d written: %v", n, b.Len(), err)
	}
	return b.String()
}

const verboseDump = `--
-- PostgreSQL database dump
--

\restrict holdfast

-- Dumped from database version 15.18
-- Started on 2026-11-22 21:23:18 UTC

SET client_encoding = 'UTF8';

--
-- TOC entry 12 (class 1255 OID 16500)
-- Name: f(); Type: FUNCTION; Schema: public; Owner: app
--

CREATE FUNCTION public.f() RETURNS integer
    LANGUAGE plpgsql
    AS $_$begin
--
-- Name: no; Type: TABLE; Schema: public; Owner: app
--
return $1; end$_$;


--
-- TOC entry 7 (class 0 OID 0)
-- Dependencies: 12 3
-- Name: FUNCTION f(); Type: COMMENT; Schema: public; Owner: app
--

COMMENT ON FUNCTION public.f() IS 'it''s; --
--
-- Name: no; Type: TABLE; Schema: public; Owner: app
--

';

SET default_tablespace = fast;

SET default_table_access_method = heap;

--
-- TOC entry 8 (class 1259 OID 16501)
-- Name: t; Type: TABLE; Schema: public; Owner: app; Tablespace: fast
--

CREATE TABLE public.t (
    a integer
);


ALTER TABLE public.t OWNER TO app;

--
-- TOC entry 9 (class 1255 OID 16502)
-- Name: g(); Type: FUNCTION; Schema: public; Owner: app
--

CREATE FUNCTION public.g() RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT CASE WHEN true THEN 1 END;
 SELECT 2;
END;


SET default_tablespace = '';

--
-- TOC entry 10 (class 1259 OID 16503)
-- Name: u; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.u (
    a integer
);


-- Completed on 2026-11-22 21:23:18 UTC

--
-- PostgreSQL database dump complete
--

\unrestrict holdfast

`

func TestEntriesOfADumpAreToldFromTextThatLooksLikeThem(t *testing.T) {
	s := parsed(t, verboseDump)
	var got []string
	for _, e := range s.Entries {
		got = append(got, e.Type+" "+e.Name)
	}
	want := []string{"FUNCTION f()", "COMMENT FUNCTION f()", "TABLE t", "FUNCTION g()", "TABLE u"}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if e := s.Entries[2]; e.ID != 8 || e.Class != 1259 || e.OID != 16501 || e.Space != "fast" || e.Owner != "app" || e.Schema != "public" {
		t.Errorf("the table is %+v", e)
	}
	if d := cmp.Diff([]int{12, 3}, s.Entries[1].Needs); d != "" {
		t.Error(d)
	}
	if n := len(s.Entries[3].Statements()); n != 2 { // the function, and a setting for what follows
		t.Errorf("%d statements of a function in SQL", n)
	}
}

func TestTidyEntriesStandByThemselves(t *testing.T) {
	s, err := tidy(parsed(t, verboseDump))
	if err != nil {
		t.Fatal(err)
	}
	if want := "SET client_encoding = 'UTF8';\nSET default_tablespace = '';\nSET default_table_access_method = heap;"; s.Preamble != want {
		t.Errorf("preamble: %s", s.Preamble)
	}
	table := s.Entries[2].Statements()
	if len(table) != 4 || table[0] != "SET default_tablespace = fast;" || table[3] != "SET default_tablespace = '';" {
		t.Errorf("the table in a tablespace: %q", table)
	}
	for i, n := range []int{1, 1, 4, 1, 1} {
		if got := s.Entries[i].Statements(); len(got) != n {
			t.Errorf("entry %d: %q", i, got)
		}
	}
	if out := text(t, s); strings.Contains(out, "Completed") || strings.Contains(out, "restrict") || strings.Contains(out, "Started") {
		t.Errorf("what changes from run to run is stored: %s", out)
	}
}

func TestStatementsEndWhereTheServerSaysSo(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"select 1;", []string{"select 1;"}},
		{"-- a;\nselect 1; /* b; /* c; */ d; */ select ';';", []string{"select 1;", "select ';';"}},
		{`select "a;""b;" ; x;`, []string{`select "a;""b;" ;`, "x;"}},
		{`select E'\';' ; x;`, []string{`select E'\';' ;`, "x;"}},
		{`select '\'; x;`, []string{`select '\';`, "x;"}},
		{"select $$;$$; select $a$;$$;$a$;", []string{"select $$;$$;", "select $a$;$$;$a$;"}},
		{"select a$1$ ; x$b$;", []string{"select a$1$ ;", "x$b$;"}},
		{"create rule r as do (a; b;); x;", []string{"create rule r as do (a; b;);", "x;"}},
		{"CREATE FUNCTION public.begin() RETURNS int LANGUAGE sql AS 'x'; y;", []string{"CREATE FUNCTION public.begin() RETURNS int LANGUAGE sql AS 'x';", "y;"}},
		{"CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC a; CASE b; END; c; END; y;", []string{"CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC a; CASE b; END; c; END;", "y;"}},
		{"BEGIN; x; END;", []string{"BEGIN;", "x;", "END;"}},
		{"/* nothing */ -- at all", nil},
	} {
		got, err := split(c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
		}
		if len(got) == 0 {
			got = nil
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.sql, d)
		}
	}
}

func TestScriptsThatAreNotWholeAreRefused(t *testing.T) {
	for _, bad := range []string{
		"select 1", "select 'a;", `select "a;`, "select $a$;$b$;", "/* a", "select (1;", "\\! rm -rf /\n", "\\connect x\n", "\\.\n", "select 1 \\! rm -rf /\n;",
		"CREATE FUNCTION f() BEGIN ATOMIC a;",
		"--\n-- Entry x\n-- Name: a; Type: T; Schema: b; Owner: c\n--\n",
		"--\n-- Entry 0\n-- Name: a; Type: T; Schema: b; Owner: c\n--\n",
		"--\n-- Entry 1 of\n-- Name: a; Type: T; Schema: b; Owner: c\n--\n",
		"--\n-- Entry 1\n-- Name: a; Type: T; Schema: b\n--\n",
		"--\n-- Entry 1\n-- Name: a%zz; Type: T; Schema: b; Owner: c\n--\n",
		strings.Repeat("--\n-- Entry 1\n-- Name: a; Type: T; Schema: b; Owner: c\n--\n\n", 2),
	} {
		if s, err := Parse(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, s)
		}
	}
}

func TestErrorsOfScriptsRepeatNoneOfTheirText(t *testing.T) {
	_, err := Parse(strings.NewReader("CREATE SUBSCRIPTION s CONNECTION 'password=hunter2;"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error is %v", err)
	}
}

func TestScriptsComeBackAsTheyWereStored(t *testing.T) {
	name := rapid.StringMatching(`[a-z ;:%"\n\t-]{0,12}|; Type: VIEW; Schema: x; Owner: y|%3B`)
	rapid.Check(t, func(t *rapid.T) {
		want := &Script{Preamble: rapid.SampledFrom([]string{"", "SET a = b;"}).Draw(t, "preamble")}
		for i := range rapid.IntRange(0, 5).Draw(t, "entries") {
			e := Entry{ID: 3*i + 1, Name: name.Draw(t, "name"), Type: "TABLE", Schema: name.Draw(t, "schema"), Owner: name.Draw(t, "owner"),
				Space: name.Draw(t, "space"), SQL: rapid.SampledFrom([]string{"", "select 1;", "-- nothing", "a;\n\n--\n-- Names\n--\n\nb;", "select $$\n--\n-- Entry 1\n--\n$$;"}).Draw(t, "sql")}
			if i > 0 {
				e.Needs = rapid.SampledFrom([][]int{nil, {1}, {1, 7}}).Draw(t, "needs")
				e.Of = rapid.SampledFrom([]int{0, 1}).Draw(t, "of")
			}
			want.Entries = append(want.Entries, e)
		}
		var b bytes.Buffer
		if _, err := want.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		got, err := Parse(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatalf("%v in:\n%s", err, b.String())
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// Whatever is read can be stored and read again as the same.
func FuzzParse(f *testing.F) {
	f.Add(verboseDump)
	f.Add("--\n-- Entry 2 of 1 needs 1\n-- Name: a; Type: T; Schema: b; Owner: c\n--\n\nselect 1;\n")
	f.Add("\n --\n-- Name: a; Type: T; Schema: b; Owner: c\n--\n\nselect E'\\'' $a$ $a$;")
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := Parse(strings.NewReader(raw))
		if err != nil {
			return
		}
		for i := range s.Entries {
			s.Entries[i].Class, s.Entries[i].OID = 0, 0
			for _, stmt := range s.Entries[i].Statements() {
				if again, err := split(stmt); err != nil || len(again) != 1 || again[0] != stmt {
					t.Fatalf("%q is split into %q, %v", stmt, again, err)
				}
			}
		}
		stored := text(t, s)
		again, err := Parse(strings.NewReader(stored))
		if err != nil {
			t.Fatalf("%v in:\n%s", err, stored)
		}
		if d := cmp.Diff(s, again); d != "" {
			t.Fatal(d)
		}
	})
}
