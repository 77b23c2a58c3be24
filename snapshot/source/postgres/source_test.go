package postgres_test

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"holdfast/fixtures"
	"holdfast/snapshot/source/postgres"
)

// truth is what COPY has of a table, sorted by line.
func truth(t testing.TB, s *fixtures.PostgresServer, db, table string) []string {
	t.Helper()
	text := s.Value(t, db, `SELECT string_agg(r, E'\n' ORDER BY r COLLATE "C") FROM (SELECT concat_ws('|', id, v) r FROM `+table+`) t`)
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func lines(d *dump, table string) []string {
	var all []string
	for _, l := range d.rows(table) {
		fields := strings.Split(l, "\t")
		all = append(all, fields[0]+"|"+fields[1])
	}
	slices.Sort(all)
	return all
}

// chain checks that the parts of a table cover every value once, in the order of their names.
func chain(t testing.TB, d *dump, table string) []*stream {
	t.Helper()
	parts, to := d.parts(table), ""
	for i, s := range parts {
		p := s.part(t)
		if p.From != to || (i > 0 && p.From == "") || (i < len(parts)-1 && p.To == "") {
			t.Fatalf("part %d of %s is from %q to %q after one to %q", i, table, p.From, p.To, to)
		}
		to = p.To
	}
	if len(parts) == 0 || to != "" {
		t.Fatalf("the %d parts of %s end at %q", len(parts), table, to)
	}
	return parts
}

func TestTablesComeOutWhole(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `CREATE TABLE serial (id serial PRIMARY KEY, v text);
		INSERT INTO serial (v) SELECT repeat(i::text, 100) FROM generate_series(1, 20000) i;
		CREATE TABLE heap (id uuid PRIMARY KEY, v text);
		INSERT INTO heap SELECT gen_random_uuid(), repeat(i::text, 100) FROM generate_series(1, 20000) i;
		CREATE TABLE negative (id bigint GENERATED ALWAYS AS IDENTITY (MINVALUE -9223372036854775808) PRIMARY KEY, v text);
		INSERT INTO negative OVERRIDING SYSTEM VALUE SELECT i * 900000000000000, repeat('x', 500) FROM generate_series(-10000, 10000) i;
		CREATE TABLE seven (id uuid PRIMARY KEY, v text);
		INSERT INTO seven SELECT (lpad(to_hex(1700000000000 + i * 1000), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 1, 15))::uuid,
			repeat('y', 500) FROM generate_series(1, 20000) i;
		CREATE TABLE dated (id text, v text, created_at timestamptz NOT NULL);
		INSERT INTO dated SELECT i, repeat('z', 500), '2020-01-01'::timestamptz + i * interval '61 minutes' FROM generate_series(1, 20000) i;
		CREATE INDEX ON dated (created_at);
		ANALYZE;`)
	d := take(t, source(t, s.SocketURL(db)), nil)
	for table, order := range map[string]string{"serial": "id", "heap": "ctid", "negative": "id", "seven": "id", "dated": "created_at"} {
		if want, got := truth(t, s, db, table), lines(d, table); !slices.Equal(want, got) {
			t.Fatalf("%s came out otherwise: %d rows instead of %d", table, len(got), len(want))
		}
		parts := chain(t, d, table)
		if n := len(parts); n < 5 || n > 40 {
			t.Errorf("%s has %d parts", table, n)
		}
		for _, p := range parts {
			if p.part(t).Order != order {
				t.Errorf("%s is ordered by %s", table, p.part(t).Order)
			}
			if p.Rows > 8000 {
				t.Errorf("%s has %d rows in %s", table, p.Rows, p.Name)
			}
		}
	}
	if f := d.facts(t); f.Tables != 5 || f.Sequences != 2 || !f.FullAt.Equal(d.about.AsOf) {
		t.Errorf("facts: %+v", f)
	}
}

// Rows of a part are in the order of the key, and those of the next come after them.
func TestRowsRiseByTheKey(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
		INSERT INTO t (v) SELECT repeat('x', 300) FROM generate_series(1, 20000);
		UPDATE t SET v = 'moved' WHERE id % 7 = 0;`)
	d := take(t, source(t, s.SocketURL(db)), nil)
	last := 0
	for _, p := range chain(t, d, "t") {
		for line := range bytes.Lines(p.body.Bytes()) {
			id, err := strconv.Atoi(string(line[:bytes.IndexByte(line, '\t')]))
			if err != nil || id <= last {
				t.Fatalf("after %d comes %q", last, line)
			}
			last = id
		}
	}
	if last != 20000 {
		t.Fatalf("the last row is %d", last)
	}
}

// What a table gains shows in its last part only.
func TestBoundariesStayWhenATableGrows(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
		CREATE TABLE h (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, v text);`)
	var before *dump
	for round := range 5 {
		s.SQL(t, db, fmt.Sprintf(`INSERT INTO t (v) SELECT repeat('x', 1000) FROM generate_series(1, %[1]d);
			INSERT INTO h (v) SELECT repeat('x', 1000) FROM generate_series(1, %[1]d)`, 10000+5000*round))
		d := take(t, source(t, s.SocketURL(db)), before)
		for _, table := range []string{"t", "h"} {
			chain(t, d, table)
			if before == nil {
				continue
			}
			_, had := before.carried(table)
			if n, all := d.carried(table); n < had-1 || all <= had {
				t.Errorf("round %d: of the %d parts of %s %d were carried over, there are %d now", round, had, table, n, all)
			}
		}
		before = d
	}
}

func TestATableWithoutColumnsHasRows(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES; CREATE TABLE "an empty" (a int)`)
	d := take(t, source(t, s.SocketURL(db)), nil)
	if p := chain(t, d, "nothing"); len(p) != 1 || p[0].Rows != 2 || p[0].body.String() != "\n\n" {
		t.Errorf("rows without columns: %+v", p[0])
	}
	if p := chain(t, d, "an empty"); len(p) != 1 || p[0].Rows != 0 || p[0].part(t).Digest != 0 {
		t.Errorf("an empty table: %+v", p[0])
	}
}

func TestSequencesStandWhereTheyStood(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `CREATE SEQUENCE idle START 42; CREATE SEQUENCE "it's \ odd"; SELECT nextval('"it''s \ odd"');
		CREATE SEQUENCE down INCREMENT -1; SELECT nextval('down'), nextval('down');
		CREATE TABLE t (id serial, n int DEFAULT nextval('idle')); CREATE TABLE u (id serial);
		INSERT INTO t (n) VALUES (1)`)
	want := `SELECT pg_catalog.setval('"public"."down"', -2, true);
SELECT pg_catalog.setval('"public"."idle"', 42, false);
SELECT pg_catalog.setval('"public"."it''s \ odd"', 1, true);
SELECT pg_catalog.setval('"public"."t_id_seq"', 1, true);
SELECT pg_catalog.setval('"public"."u_id_seq"', 1, false);
`
	d := take(t, source(t, s.SocketURL(db)), nil)
	if got := d.find(postgres.Sequences).body.String(); got != want {
		t.Errorf("sequences:\n%s", got)
	}
	d = take(t, source(t, s.SocketURL(db), "t"), nil)
	some := strings.SplitAfter(want, "\n")
	if got := d.find(postgres.Sequences).body.String(); got != some[1]+some[3] {
		t.Errorf("sequences of t:\n%s", got)
	}
}
