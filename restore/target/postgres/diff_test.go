package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/restore/target/postgres"
	source "holdfast/snapshot/source/postgres"
)

func differences(t *testing.T, a, b *fakeDump) []string {
	t.Helper()
	list, err := postgres.Diff(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, c := range list {
		said = append(said, fmt.Sprintf("%s %s: %s", c.Name, c.Change, c.Detail))
	}
	return said
}

func TestDiffTellsWhatChangedAndNoValue(t *testing.T) {
	s := shared.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, audit+`; CREATE TABLE public.keyless (a int, b text); INSERT INTO public.keyless SELECT n, 'secretvalue' || n FROM generate_series(1, 1000) n;
		CREATE TABLE public.gone (a int); INSERT INTO public.gone VALUES (1); CREATE SEQUENCE public.lone START 42; CREATE INDEX gone_index ON public.audit (note)`)
	before := sourced(t, s, db, source.Selection{})
	if d := differences(t, before, before); len(d) > 0 {
		t.Errorf("a dump differs from itself: %q", d)
	}
	s.SQL(t, db, `INSERT INTO public.audit (note) SELECT 'secretvalue' FROM generate_series(1, 1200);
		UPDATE public.audit SET note = 'secretvalue' WHERE id IN (7, 1500); DELETE FROM public.audit WHERE id IN (8, 9, 10);
		UPDATE public.keyless SET b = 'secretvalue' WHERE a = 7; DROP TABLE public.gone; CREATE TABLE public.fresh (a int);
		SELECT nextval('public.lone'); SELECT nextval('public.lone'); DROP INDEX public.gone_index; CREATE INDEX fresh_index ON public.audit (note);
		ALTER TABLE public.empty ALTER a TYPE bigint`)
	after := sourced(t, s, db, source.Selection{})
	after.opened = nil
	got := differences(t, before, after)
	slices.Sort(got)
	want := []string{
		"index public.fresh_index added: definition",
		"index public.gone_index removed: definition",
		"public.audit changed: 4,197 rows (+1197): 1,200 added, 3 removed, 2 changed",
		"public.fresh added: 0 rows",
		"public.gone removed: 1 row",
		"public.keyless changed: 1,000 rows (+0): 1 added, 1 removed; without a key, a change counts as both",
		"sequence public.audit_id_seq changed: moved by +1200",
		"sequence public.lone changed: moved by +1",
		"table public.empty changed: definition",
		"table public.fresh added: definition",
		"table public.gone removed: definition",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if strings.Contains(strings.Join(got, "\n"), "secretvalue") {
		t.Error("a value is told")
	}
	var read, all int
	for _, n := range after.streams(source.FormatCopy) {
		if strings.HasPrefix(n, "data/public/audit/") {
			all++
			if slices.Contains(after.opened, n) {
				read++
			}
		}
	}
	if read >= all {
		t.Errorf("%d of %d parts were read", read, all)
	}
}

// Names with dots in them: a.b and c are not a and b.c.
func TestDiffTellsTablesApartWhoseNamesHaveDots(t *testing.T) {
	s := shared.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `CREATE SCHEMA a; CREATE SCHEMA "a.b"; CREATE TABLE a."b.c" (n int); CREATE TABLE "a.b".c (n int); INSERT INTO "a.b".c VALUES (1)`)
	before := sourced(t, s, db, source.Selection{})
	if d := differences(t, before, before); len(d) > 0 {
		t.Errorf("a dump differs from itself: %q", d)
	}
}

func TestDiffKnowsOwnersFromDefinitions(t *testing.T) {
	s := shared.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, `DO $$BEGIN CREATE ROLE diff_owner; EXCEPTION WHEN duplicate_object THEN NULL; END$$; CREATE TABLE public.t (a int)`)
	before := sourced(t, s, db, source.Selection{})
	s.SQL(t, db, `ALTER TABLE public.t OWNER TO diff_owner`)
	after := sourced(t, s, db, source.Selection{})
	if d := cmp.Diff([]string{"table public.t changed: owner"}, differences(t, before, after)); d != "" {
		t.Error(d)
	}
}
