package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/snapshot/source/postgres"
)

const history = `CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
	INSERT INTO t (v) SELECT repeat('x', 500) FROM generate_series(1, 5000)`

// begun is a server of its own with a table, and a dump of it.
func begun(t *testing.T, s *fixtures.PostgresServer, name string) (*postgres.Source, *dump) {
	t.Helper()
	s.SQL(t, s.Create(t, name), history)
	src := source(t, s.SocketURL(name))
	src.PartSize = 256 << 10
	return src, take(t, src, nil)
}

func wantCarried(t *testing.T, d *dump, want int) {
	t.Helper()
	expect(t, d, "public", "t", want)
}

func TestNothingIsCarriedOverFromAnotherHistory(t *testing.T) {
	s := fixtures.Postgres(t)
	src, before := begun(t, s, "a")
	wantCarried(t, both(t, src, before), all)

	t.Run("after a restart", func(t *testing.T) {
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		wantCarried(t, both(t, src, before), none)
	})
	t.Run("after a crash of one process, which rolls back what was not flushed", func(t *testing.T) {
		before := take(t, src, nil)
		crash(t, s)
		wantCarried(t, both(t, src, before), none)
	})
	t.Run("from a database of the same name", func(t *testing.T) {
		before := take(t, src, nil)
		s.SQL(t, "postgres", "ALTER DATABASE a RENAME TO b")
		s.SQL(t, "postgres", "CREATE DATABASE a TEMPLATE b")
		wantCarried(t, both(t, src, before), none)
	})
	t.Run("from another server", func(t *testing.T) {
		_, other := begun(t, server.Get(t), "a")
		wantCarried(t, both(t, src, other), none)
	})
}

// crash kills one process of the server, which then starts over by itself without restarting.
func crash(t *testing.T, s *fixtures.PostgresServer) {
	t.Helper()
	started := s.Value(t, "postgres", "SELECT pg_postmaster_start_time()")
	pid, err := strconv.Atoi(s.Value(t, "postgres", "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		// In this order: the server answers also while it has not yet noticed.
		if syscall.Kill(pid, 0) != nil && s.Exec("postgres", "SELECT 1") == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server did not come back")
		}
	}
	if s.Value(t, "postgres", "SELECT pg_postmaster_start_time()") != started {
		t.Fatal("the server was restarted, not its processes")
	}
}

// Transaction ids have 32 bits in rows. The counter passes its end between the dumps.
func TestTransactionIdsMayWrapAround(t *testing.T) {
	s := fixtures.Postgres(t)
	s.SQL(t, "postgres", "ALTER DATABASE template0 ALLOW_CONNECTIONS true")
	for _, xid := range []uint64{1_500_000_000, 3_000_000_000, 1<<32 - 2000} {
		// What is there must not be of the future: each step is less than half of all ids.
		for _, db := range []string{"postgres", "template1", "template0"} {
			s.SQL(t, db, "VACUUM FREEZE")
		}
		skipTo(t, s, xid)
	}
	src, before := begun(t, s, "a")
	s.SQL(t, "a", "CREATE TABLE burn (n int)")
	s.SQL(t, "a", `DO $$ BEGIN FOR i IN 1 .. 4000 LOOP BEGIN INSERT INTO burn VALUES (i); EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$`)
	s.SQL(t, "a", "DELETE FROM t WHERE id = 77")
	s.SQL(t, "a", "INSERT INTO t (id, v) OVERRIDING SYSTEM VALUE VALUES (77, 'wrapped')")
	s.SQL(t, "a", "VACUUM FREEZE t")
	after := both(t, src, before)
	wantCarried(t, after, some)
	if x, y := before.facts(t).Origin.Xmin, after.facts(t).Origin.Xmin; x >= 1<<32 || y <= 1<<32 {
		t.Fatalf("transaction ids went from %d to %d", x, y)
	}
	wantCarried(t, both(t, src, after), all)
}

// skipTo restarts the server with another next transaction id, and with the file that has its status.
func skipTo(t *testing.T, s *fixtures.PostgresServer, xid uint64) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	const perSegment = 32 * 8192 * 4
	segment := filepath.Join(s.Data, "pg_xact", fmt.Sprintf("%04X", xid/perSegment))
	if err := os.WriteFile(segment, make([]byte, 256<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.Data)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(segment, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	if err := s.Resetwal("-x", strconv.FormatUint(xid, 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
}

func TestEverythingIsReadWhenItIsTime(t *testing.T) {
	src, before := begun(t, server.Get(t), "timely")
	d := take(t, src, before)
	wantCarried(t, d, all)
	if !d.facts(t).FullAt.Equal(before.facts(t).FullAt) {
		t.Error("a dump that carried rows over claims to have read them")
	}
	full := *src
	full.Full = true
	wantCarried(t, take(t, &full, d), none)
	full.Full, full.FullEvery = false, time.Nanosecond
	d = take(t, &full, d)
	wantCarried(t, d, none)
	if !d.facts(t).FullAt.Equal(d.about.AsOf) {
		t.Error("a dump that read everything does not say so")
	}
}
