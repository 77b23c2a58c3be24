package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast/fixtures"
	"holdfast/fixtures/everything"
	"holdfast/fixtures/vaulta"
)

// TestScriptsOverPostgres runs each script with databases of a real PostgreSQL and a repository in a
// real S3 server. $SERVER is HOST:PORT:USER:PASSWORD, $CA the authority that vouches for it, and $OLD_PG_DUMP a
// client of an older version.
func TestScriptsOverPostgres(t *testing.T) {
	s3, pg := fixtures.S3(t), fixtures.Postgres(t)
	old := pg.OldPgDump(t, "13.9")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script/postgres",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			if err := inBucket(e, s3); err != nil {
				return err
			}
			e.Setenv("CLUSTER", filepath.Base(e.WorkDir))
			e.Setenv("SERVER", fmt.Sprintf("%s:%d:%s:%s", pg.Host, pg.Port, pg.User, pg.Password))
			e.Setenv("CA", pg.CA)
			e.Setenv("OLD_PG_DUMP", old)
			list := e.Values[secrets{}].(*[]string)
			*list = append(*list, pg.Password)
			return nil
		},
		Cmds: withDatabases(withUser(commands(), s3), pg),
	})
}

// withDatabases adds words about the databases of pg:
//
//	database NAME            makes one, as long as the script runs; $NAME_DSN leads there, with
//	                         a password, and $NAME_DB is what it is called
//	role NAME                makes a role that may log in and nothing else; $NAME_ROLE is its name, and
//	                         $NAME_AT_DSN, once `as` named a database, leads there as that role
//	as ROLE DATABASE         sets $ROLE_AT_DSN
//	sql DATABASE TEXT        runs SQL as the superuser; its one value goes to stdout
//	vaulta DATABASE SECRETS AUDIT, appenda DATABASE PERCENT
//	everything DATABASE      makes the schema that has everything
//	samedatabase A B         wants pg_dump to say the same of both
func withDatabases(cmds map[string]func(*testscript.TestScript, bool, []string), pg *fixtures.PostgresServer) map[string]func(*testscript.TestScript, bool, []string) {
	called := func(ts *testscript.TestScript, name string) string {
		return strings.ToLower(ts.Getenv("CLUSTER")) + "_" + name
	}
	word := func(usage string, args int, do func(ts *testscript.TestScript, args []string)) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, got []string) {
			if neg || len(got) != args {
				ts.Fatalf("usage: %s", usage)
			}
			do(ts, got)
		}
	}
	cmds["database"] = word("database NAME", 1, func(ts *testscript.TestScript, args []string) {
		name := called(ts, args[0])
		ts.Check(pg.Exec("postgres", `CREATE DATABASE "`+name+`"`))
		ts.Defer(func() { ts.Check(pg.Exec("postgres", `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`)) })
		ts.Setenv(strings.ToUpper(args[0])+"_DB", name)
		ts.Setenv(strings.ToUpper(args[0])+"_DSN", pg.URL(name))
	})
	cmds["newdatabase"] = word("newdatabase NAME", 1, func(ts *testscript.TestScript, args []string) { // a name, and no database yet
		name := called(ts, args[0])
		ts.Defer(func() { ts.Check(pg.Exec("postgres", `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`)) })
		ts.Setenv(strings.ToUpper(args[0])+"_DB", name)
		ts.Setenv(strings.ToUpper(args[0])+"_DSN", pg.URL(name))
	})
	cmds["role"] = word("role NAME", 1, func(ts *testscript.TestScript, args []string) {
		name := called(ts, args[0])
		ts.Check(pg.Exec("postgres", `CREATE ROLE "`+name+`" LOGIN PASSWORD '`+canary+`'`))
		ts.Defer(func() {
			err := pg.Exec("postgres", `DROP ROLE "`+name+`"`)
			if err != nil { // it may own or be granted things in a database that goes later
				ts.Logf("%v", err)
			}
		})
		ts.Setenv(strings.ToUpper(args[0])+"_ROLE", name)
	})
	cmds["as"] = word("as ROLE DATABASE", 2, func(ts *testscript.TestScript, args []string) {
		ts.Setenv(strings.ToUpper(args[0])+"_AT_DSN", pg.URLAs(called(ts, args[0]), canary, called(ts, args[1])))
	})
	cmds["sql"] = word("sql DATABASE TEXT", 2, func(ts *testscript.TestScript, args []string) {
		ts.Setenv("PGPASSWORD", pg.Password)
		err := ts.Exec("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", pg.SocketURL(called(ts, args[0])), "-c", args[1])
		ts.Check(err)
	})
	cmds["vaulta"] = word("vaulta DATABASE SECRETS AUDIT", 3, func(ts *testscript.TestScript, args []string) {
		ts.Check(vaulta.Generate(context.Background(), pg.SocketURL(called(ts, args[0])),
			vaulta.Options{Secrets: number(ts, args[1]), Audit: number(ts, args[2]), Seed: 1}))
	})
	cmds["appenda"] = word("appenda DATABASE PERCENT", 2, func(ts *testscript.TestScript, args []string) {
		ts.Check(vaulta.Append(context.Background(), pg.SocketURL(called(ts, args[0])), float64(number(ts, args[1]))))
	})
	cmds["everything"] = word("everything DATABASE", 1, func(ts *testscript.TestScript, args []string) {
		ts.Check(everything.Load(context.Background(), pg.SocketURL(called(ts, args[0]))))
	})
	cmds["samedatabase"] = word("samedatabase A B", 2, func(ts *testscript.TestScript, args []string) {
		ts.Check(sameDatabase(ts, pg, called(ts, args[0]), called(ts, args[1])))
	})
	return cmds
}

func sameDatabase(ts *testscript.TestScript, pg *fixtures.PostgresServer, a, b string) error {
	var texts [2]string
	for i, name := range []string{a, b} {
		definitions, err := pg.DumpText(name, "--schema-only")
		if err != nil {
			return err
		}
		rows, err := pg.DumpText(name, "--data-only")
		if err != nil {
			return err
		}
		lines := strings.Split(rows, "\n") // a table has no order
		slices.Sort(lines)
		texts[i] = definitions + strings.Join(lines, "\n")
	}
	if texts[0] == texts[1] {
		return nil
	}
	for i, text := range texts {
		path := filepath.Join(ts.MkAbs("."), []string{"a.sql", "b.sql"}[i])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	ts.Check(ts.Exec("sh", "-c", "diff a.sql b.sql | head -40 || true"))
	return errors.New("pg_dump does not say the same of " + a + " and " + b)
}
