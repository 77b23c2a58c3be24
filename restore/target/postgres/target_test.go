package postgres_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/everything"
	"holdfast/restore"
	"holdfast/restore/target/postgres"
	"holdfast/snapshot/source/postgres/link"
)

var shared fixtures.SharedPostgres

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

func parse(t *testing.T, url string) *link.Server {
	t.Helper()
	s, err := link.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// all makes a database that has everything.
func all(t *testing.T, s *fixtures.PostgresServer) string {
	t.Helper()
	name := s.Create(t, "")
	if err := everything.Load(t.Context(), s.SocketURL(name)); err != nil {
		t.Fatal(err)
	}
	return name
}

func load(t *testing.T, target *postgres.Target, d restore.Dump) restore.Loaded {
	t.Helper()
	l, err := target.Load(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEverythingComesBackIntoAnEmptyDatabase(t *testing.T) {
	s := shared.Get(t)
	from, to := all(t, s), s.Create(t, "")
	d := takeDump(t, s, from)
	l := load(t, &postgres.Target{Server: parse(t, s.SocketURL(to))}, d)
	if diff := cmp.Diff(arranged(s.Dump(t, from)), arranged(s.Dump(t, to))); diff != "" {
		t.Errorf("what came back differs:\n%s", diff)
	}
	if len(l.Streams) != len(d.infos) {
		t.Errorf("%d streams loaded of %d", len(l.Streams), len(d.infos))
	}
}

func TestEverythingComesBackAsANewDatabase(t *testing.T) {
	s := shared.Get(t)
	from := all(t, s)
	d := takeDump(t, s, from)
	to := s.Create(t, "") // for its removal
	load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Create: true, Replace: true}, d)
	if diff := cmp.Diff(arranged(s.Dump(t, from)), arranged(s.Dump(t, to))); diff != "" {
		t.Errorf("what came back differs:\n%s", diff)
	}
}

func TestEverythingIsReplaced(t *testing.T) {
	s := shared.Get(t)
	from, to := all(t, s), all(t, s)
	d := takeDump(t, s, from)
	load(t, &postgres.Target{Server: parse(t, s.SocketURL(to)), Replace: true}, d)
	if diff := cmp.Diff(arranged(s.Dump(t, from)), arranged(s.Dump(t, to))); diff != "" {
		t.Errorf("what came back differs:\n%s", diff)
	}
}

// arranged sorts the rows of each table in a dump of pg_dump: the source reads them in the order of their key,
// and what order a table has them in is nobody's promise.
func arranged(dump string) string {
	lines := strings.Split(dump, "\n")
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "COPY ") {
			continue
		}
		end := i + 1 + slices.Index(lines[i+1:], `\.`)
		slices.Sort(lines[i+1 : end])
		i = end
	}
	return strings.Join(lines, "\n")
}
