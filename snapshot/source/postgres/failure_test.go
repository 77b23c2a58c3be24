package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/fixtures/cut"
	"holdfast/snapshot/source/postgres"
)

const rows = `CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, m mood DEFAULT 'a');
	INSERT INTO t (v) SELECT repeat('x', 500) FROM generate_series(1, 2000); CREATE TABLE u AS SELECT * FROM t`

func TestADumpOfACutConnectionIsAnError(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, rows)
	p, err := cut.Start(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	src := source(t, s.URLVia(p.Addr, db))
	src.PartSize = 128 << 10
	p.After(-1, cut.One)
	take(t, src, nil)
	total := p.Passed()
	for range fixtures.Rounds(t, 20) {
		at := rand.Int64N(total * 9 / 10) // pg_dump may take a little less the next time
		how := []cut.How{cut.One, cut.All, cut.Down}[rand.IntN(3)]
		p.After(at, how)
		d := &dump{}
		err := src.Dump(t.Context(), d)
		if !p.Cut() {
			t.Fatalf("nothing was cut at byte %d of %d", at, total)
		}
		if err == nil && !whole(d) {
			t.Fatalf("a cut at byte %d of %d gave no error and half a dump", at, total)
		}
	}
	p.After(-1, cut.One)
	take(t, src, nil)
}

// whole reports whether nothing is missing: a cut may hit a connection that has done its work, such as
// the one that finds out which host answers.
func whole(d *dump) bool {
	for _, s := range d.streams {
		if !s.sealed {
			return false
		}
	}
	return len(d.rows("t")) == 2000 && len(d.rows("u")) == 2000 && d.find(postgres.PreData) != nil && d.find(postgres.PostData) != nil
}

func TestAPgDumpThatDiesIsAnError(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, rows)
	src := source(t, s.SocketURL(db))
	for _, code := range []int{0, 1} {
		for _, lines := range []int{0, 40, 70} {
			src.Program = s.BrokenPgDump(t, lines, code)
			_ = refuse(t, src, nil)
		}
	}
}

// during does something as the first stream is begun whose name begins so.
func during(t *testing.T, prefix string, do func()) *dump {
	t.Helper()
	var once sync.Once
	return &dump{first: func(name string) {
		if strings.HasPrefix(name, prefix) {
			once.Do(do)
		}
	}}
}

func TestADumpGivesWayToWhoWaitsForIt(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, rows)
	src := source(t, s.SocketURL(db))
	src.LockTimeout = time.Second
	altered := make(chan error, 1)
	d := during(t, "data/", func() {
		go func() { altered <- s.Exec(db, "ALTER TABLE u ADD COLUMN w int") }()
		select { // rows are held up here, as by a slow store, and locks given up all the same
		case err := <-altered:
			altered <- err
		case <-time.After(time.Minute):
			t.Error("it kept its locks for as long as rows were held up")
		}
	})
	_ = refuseInto(t, src, d, postgres.ErrGaveWay)
	if err := <-altered; err != nil {
		t.Error(err)
	}
}

// Who builds an index concurrently waits for the dump's snapshot to end, and is in nobody's way.
func TestADumpDoesNotGiveWayToAnIndexBuiltConcurrently(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, rows)
	src := source(t, s.SocketURL(db))
	src.LockTimeout = time.Second
	built := make(chan error, 1)
	d := during(t, "data/", func() {
		go func() { built <- s.Exec(db, "CREATE INDEX CONCURRENTLY late ON u (id)") }()
		select {
		case err := <-built:
			t.Errorf("the index did not wait: %v", err)
			built <- err
		case <-time.After(4 * time.Second):
		}
	})
	if err := src.Dump(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := <-built; err != nil {
		t.Error(err)
	}
}

func TestADumpDoesNotWaitForLocksForever(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, rows)
	tx := hold(t, s, db, "ALTER TABLE t ADD COLUMN w int")
	src := source(t, s.SocketURL(db))
	src.LockTimeout = 300 * time.Millisecond
	_ = refuse(t, src, postgres.ErrGaveWay)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	take(t, src, nil)
}

// Who truncates a table and fills it again shows no rows at all to snapshots taken in between: the dump
// has to take its own once it has the lock.
func TestATableThatIsBeingReplacedIsNotDumpedEmpty(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, rows)
	tx := hold(t, s, db, "TRUNCATE t; INSERT INTO t (v) SELECT 'new' FROM generate_series(1, 5)")
	d := &dump{}
	done := make(chan error, 1)
	go func() { done <- source(t, s.SocketURL(db)).Dump(t.Context(), d) }()
	for s.Value(t, "postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted") == "0" {
		time.Sleep(10 * time.Millisecond)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := len(d.rows("t")); n != 5 {
		t.Errorf("%d rows of 5", n)
	}
}

// hold begins a transaction, does one thing in it and leaves it open.
func hold(t *testing.T, s *fixtures.PostgresServer, db, statement string) *sql.Tx {
	t.Helper()
	tx, err := s.DB(t, db).Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() }) // done already, as a rule
	if _, err := tx.Exec(statement); err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestATypeThatIsAlteredDuringTheDumpIsAnError(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, rows)
	d := during(t, "data/", func() { s.SQL(t, db, "ALTER TYPE mood RENAME VALUE 'a' TO 'z'") })
	err := refuseInto(t, source(t, s.SocketURL(db)), d, postgres.ErrChanged)
	if !strings.Contains(err.Error(), "public.t") {
		t.Errorf("%v does not name the table", err)
	}
}

// The leader holds the locks, and the workers the rest of the snapshot: without either no dump is whole.
func TestASessionThatIsEndedByTheServerIsAnError(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, rows)
	for _, c := range []struct{ name, stream, which string }{
		{"leader", "data/", "query LIKE '%pg_depend%' OR state = 'idle in transaction'"},
		{"leader that has nothing left to read", postgres.PostData, "query LIKE '%relispopulated%'"},
		{"workers", "data/", "query LIKE 'COPY%'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ended := ""
			d := during(t, c.stream, func() {
				ended = s.Value(t, "postgres", "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = '"+db+"' AND ("+c.which+")")
			})
			err := refuseInto(t, source(t, s.SocketURL(db)), d, nil)
			if ended == "0" || strings.Contains(err.Error(), "xxxx") {
				t.Errorf("%s sessions were ended: %v", ended, err)
			}
		})
	}
}

func TestACancelledDumpLeavesNothingOnTheServer(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, rows)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := during(t, "data/", cancel)
	err := source(t, s.SocketURL(db)).Dump(ctx, d)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left := s.Value(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = '"+db+"'")
		if left == "0" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s sessions are left", left)
		}
	}
}

// Limits that an administrator gave the role do not end a dump half way, and cannot make it filter rows.
func TestSettingsOfTheRoleDoNotMatter(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, rows)
	want := take(t, source(t, s.SocketURL(db)), nil)
	s.SQL(t, db, `ALTER DATABASE `+db+` SET statement_timeout = '500ms'; ALTER DATABASE `+db+` SET search_path = 'nowhere';
		ALTER DATABASE `+db+` SET extra_float_digits = 0; ALTER DATABASE `+db+` SET enable_indexscan = off;
		ALTER DATABASE `+db+` SET default_transaction_isolation = 'serializable'; ALTER DATABASE `+db+` SET standard_conforming_strings = off`)
	slow := during(t, "data/", func() { time.Sleep(time.Second) })
	if err := source(t, s.SocketURL(db)).Dump(t.Context(), slow); err != nil {
		t.Fatal(err)
	}
	same(t, slow, want)
}

func TestAServerThatIsNotThere(t *testing.T) {
	src := source(t, "postgres://holdfast:verysecret@127.0.0.1:1/db")
	err := refuse(t, src, nil)
	if strings.Contains(err.Error(), "verysecret") {
		t.Errorf("%v has the password", err)
	}
}
