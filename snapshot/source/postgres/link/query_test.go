package link_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot/source/postgres/link"
)

func TestRowsOfUsersAreNotInErrors(t *testing.T) {
	transports(t, func(t *testing.T, c *link.Conn) {
		run(t, c, `CREATE TEMP TABLE t (n text PRIMARY KEY, CHECK (n <> 'hunter2 checked')); INSERT INTO t VALUES ('hunter2');
			CREATE TEMP TABLE u (t text REFERENCES t, d date);
			CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'hunter2'; RAISE 'hunter2' USING DETAIL = 'hunter2', HINT = 'hunter2'; END $$;
			CREATE FUNCTION pg_temp.g() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'hunter2' USING ERRCODE = '45000', DETAIL = 'hunter2'; END $$`)
		var notices []string
		c.OnNotice(func(severity, message string) { notices = append(notices, severity+" "+message) })
		for code, sql := range map[string]string{
			"23505": "INSERT INTO t VALUES ('hunter2')",
			"23514": "INSERT INTO t VALUES ('hunter2 checked')",
			"23503": "INSERT INTO u VALUES ('hunter2 missing')",
			"22007": "INSERT INTO u VALUES ('hunter2', 'hunter2'::text::date)",
			"22P02": "SELECT 'hunter2'::text::int",
			"P0001": "SELECT pg_temp.f()",
			"45000": "SELECT pg_temp.g()",
		} {
			err := c.Exec(t.Context(), sql)
			var e *link.Error
			if !errors.As(err, &e) || e.Code != code || strings.Contains(fmt.Sprintf("%v %+v", err, *e), "hunter2") {
				t.Errorf("%s: %v, %+v", sql, err, e)
			}
		}
		if got := strings.Join(notices, "; "); got != "NOTICE a function raised a notice" {
			t.Errorf("the notices are %q", got)
		}
		err := c.Exec(t.Context(), "SELECT * FROM missing_table")
		if err == nil || !strings.Contains(err.Error(), `"missing_table" does not exist (SQLSTATE 42P01)`) {
			t.Errorf("a missing table: %v", err)
		}
	})
}

func TestQueryYieldsTextAndNulls(t *testing.T) {
	transports(t, func(t *testing.T, c *link.Conn) {
		rows, err := c.Query(t.Context(), "SELECT i, nullif(i, 2), $1 || '\u00e9', '' FROM generate_series(1, $2) i", "it's", "2")
		if err != nil {
			t.Fatal(err)
		}
		s := func(s string) *string { return &s }
		want := [][]*string{{s("1"), s("1"), s("it'sé"), s("")}, {s("2"), nil, s("it'sé"), s("")}}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Error(diff)
		}
		if rows, err := c.Query(t.Context(), "SELECT 1 WHERE false"); len(rows) != 0 || err != nil {
			t.Errorf("no rows: %v, %v", rows, err)
		}
		if rows, err := c.Query(t.Context(), "CREATE TEMP TABLE q ()"); len(rows) != 0 || err != nil {
			t.Errorf("no query: %v, %v", rows, err)
		}
		big, err := c.Query(t.Context(), "SELECT repeat('x', 3000000)")
		if err != nil || len(*big[0][0]) != 3000000 {
			t.Errorf("a large value: %v", err)
		}
	})
}

func TestExecRunsSeveralStatementsAsOne(t *testing.T) {
	transports(t, func(t *testing.T, c *link.Conn) {
		if err := c.Exec(t.Context(), "CREATE TEMP TABLE t (n int); INSERT INTO t VALUES (1); SELECT 1/0"); err == nil {
			t.Error("a division by zero is no error")
		}
		if got := value(t, c, "SELECT to_regclass('pg_temp.t') IS NULL"); got != "t" {
			t.Error("the statements before the error stayed")
		}
		run(t, c, "BEGIN; CREATE TEMP TABLE t (n int)")
		run(t, c, "COMMIT")
		if got := value(t, c, "SELECT count(*) FROM t"); got != "0" {
			t.Errorf("%s rows", got)
		}
	})
}
