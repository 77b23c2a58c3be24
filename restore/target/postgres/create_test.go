package postgres_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/restore"
	"holdfast/restore/target/postgres"
)

const listDatabases = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database"

func TestNewDatabaseIsMadeAsTheOldOneWas(t *testing.T) {
	s := shared.Get(t)
	from := smallVault(t, s)
	d := takeDump(t, s, from)
	const name = "made by a restore"
	load(t, &postgres.Target{Server: parse(t, s.SocketURL(name)), Create: true, Workers: 3}, d)
	t.Cleanup(func() { s.SQL(t, "postgres", `DROP DATABASE "`+name+`"`) })
	const properties = "SELECT concat_ws(' ', encoding, datcollate, datctype, datlocprovider, datacl IS NULL OR datacl @> acldefault('d', datdba), shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = current_database()"
	if diff := cmp.Diff(s.Value(t, from, properties), s.Value(t, name, properties)); diff != "" {
		t.Errorf("the database is another:\n%s", diff)
	}
	if diff := cmp.Diff(arranged(s.Dump(t, from)), arranged(s.Dump(t, name))); diff != "" {
		t.Errorf("what came back differs:\n%s", diff)
	}
}

func TestNewDatabaseNeedsAFreeName(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	to := s.Create(t, "")
	target := &postgres.Target{Server: parse(t, s.SocketURL(to)), Create: true}
	if _, err := target.Load(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("got %v", err)
	}
	c, err := parse(t, s.SocketURL(to)).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	target.Replace = true
	before := s.Value(t, "postgres", listDatabases)
	if _, err := target.Load(t.Context(), d); !errors.Is(err, restore.ErrOccupied) || !strings.Contains(err.Error(), "1 others are connected") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, s.Value(t, "postgres", listDatabases)); diff != "" {
		t.Errorf("databases were left behind:\n%s", diff)
	}
}

func TestDatabaseThatWasClosedIsReplacedByAClosedOne(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	for _, open := range []string{"true", "false"} {
		to := s.Create(t, "")
		if open == "false" {
			s.SQL(t, "postgres", "REVOKE CONNECT ON DATABASE "+to+" FROM PUBLIC")
		}
		load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Create: true, Replace: true}, d)
		if got := s.Value(t, to, "SELECT has_database_privilege('public', current_database(), 'CONNECT')"); got != open {
			t.Errorf("that everyone may connect is %s instead of %s", got, open)
		}
	}
}

func TestDatabaseIsInvisibleUntilItIsWhole(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	const name = "holdfast_not_yet"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := s.Value(t, "postgres", listDatabases)
	var during string
	d.wrap = func(stream string, r io.Reader) io.Reader {
		if strings.Contains(stream, "counted") {
			during = s.Value(t, "postgres", `SELECT string_agg(CASE WHEN datname LIKE 'holdfast\_restore\_%' THEN 'scratch'
				|| has_database_privilege('pg_monitor', datname, 'CONNECT') ELSE datname END, ' ' ORDER BY datname) FROM pg_database`)
			cancel()
		}
		return r
	}
	_, err := (&postgres.Target{Server: parse(t, s.SocketURL(name)), Create: true}).Load(ctx, d)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if strings.Contains(during, name) || !strings.Contains(during, "scratchfalse") {
		t.Errorf("while it was loaded there were %s", during)
	}
	if diff := cmp.Diff(before, s.Value(t, "postgres", listDatabases)); diff != "" {
		t.Errorf("databases were left behind:\n%s", diff)
	}
}

func TestLeftoversOfKilledRestoresAreTold(t *testing.T) {
	s := shared.Get(t)
	d := takeDump(t, s, smallVault(t, s))
	old := time.Now().Add(-3 * time.Hour).UTC().Format(time.RFC3339)
	for name, comment := range map[string]string{
		"holdfast_restore_old":   "holdfast restore, not finished; begun " + old,
		"holdfast_restore_new":   "holdfast restore, not finished; begun " + time.Now().UTC().Format(time.RFC3339),
		"holdfast_restore_other": "somebody's own",
		"holdfast_replaced_abc":  "of whoever had it before",
	} {
		s.Create(t, name)
		s.SQL(t, "postgres", "COMMENT ON DATABASE "+name+" IS '"+strings.ReplaceAll(comment, "'", "''")+"'")
	}
	l := load(t, &postgres.Target{Server: parse(t, s.SocketURL(s.Create(t, ""))), Create: true, Replace: true, Rehearse: true}, d)
	notes := strings.Join(l.Notes, "\n")
	if !strings.Contains(notes, "holdfast_restore_old") || !strings.Contains(notes, "holdfast_replaced_abc") || strings.Contains(notes, "holdfast_restore_new") || strings.Contains(notes, "holdfast_restore_other") {
		t.Errorf("notes: %s", notes)
	}
	if s.Value(t, "postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'holdfast\\_restore\\_%'") != "3" {
		t.Error("a database was dropped that a restore had left behind, or its own was not")
	}
}
