package postgres_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"holdfast/fixtures/everything"
	"holdfast/restore"
	"holdfast/restore/target/postgres"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/postgres"
)

const audit = `CREATE TABLE public.audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);
	INSERT INTO public.audit (note) SELECT repeat('x', 100) || n FROM generate_series(1, 3000) n;
	CREATE TABLE public.empty (a int, b text); CREATE TABLE public.bare (); INSERT INTO public.bare DEFAULT VALUES;
	CREATE TABLE public.parent (a int) PARTITION BY LIST (a); CREATE TABLE public.child PARTITION OF public.parent DEFAULT;
	CREATE MATERIALIZED VIEW public.total AS SELECT count(*) FROM public.audit;
	ANALYZE`

func TestEverythingIsCheckedWithoutAServer(t *testing.T) {
	s := shared.Get(t)
	db := s.Create(t, "")
	if err := everything.Load(t.Context(), s.SocketURL(db)); err != nil {
		t.Fatal(err)
	}
	d := sourced(t, s, db, source.Selection{})
	l, err := restore.Discard{Checker: postgres.Checker{}}.Load(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Streams) != len(d.infos) {
		t.Errorf("%d streams checked of %d", len(l.Streams), len(d.infos))
	}
	for _, i := range d.infos {
		if !slices.Contains(d.opened, i.Name) {
			t.Errorf("stream %q was not read", i.Name)
		}
	}
}

func TestSelectionsAreChecked(t *testing.T) {
	s := shared.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, small)
	for _, selected := range []source.Selection{{Tables: []string{"audit", "secrets"}}, {Schemas: []string{"public"}}} {
		d := sourced(t, s, db, selected)
		if _, err := (restore.Discard{Checker: postgres.Checker{}}).Load(t.Context(), d); err != nil {
			t.Errorf("%+v: %v", selected, err)
		}
	}
}

func TestEveryDamageToADumpIsFoundAndNamed(t *testing.T) {
	s := shared.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, audit)
	good := sourced(t, s, db, source.Selection{})
	var parts []string // of audit
	for _, n := range good.streams(source.FormatCopy) {
		if strings.HasPrefix(n, "data/public/audit/") {
			parts = append(parts, n)
		}
	}
	slices.Sort(parts)
	if len(parts) < 3 {
		t.Fatalf("the table has the parts %q", parts)
	}
	if _, err := (postgres.Checker{}).Check(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	rewrite := func(d *fakeDump, name string, change func([]byte) []byte) {
		d.data[name] = change(bytes.Clone(d.data[name]))
		d.edit(t, name, func(i *snapshot.StreamInfo) { i.Bytes = int64(len(d.data[name])) })
	}
	remove := func(d *fakeDump, name string) {
		d.infos = slices.DeleteFunc(d.infos, func(i snapshot.StreamInfo) bool { return i.Name == name })
	}
	replace := func(old, with string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("nothing to replace: %q", old)
			}
			return bytes.Replace(b, []byte(old), []byte(with), 1)
		}
	}
	for what, c := range map[string]struct {
		damage func(*fakeDump)
		says   string
	}{
		"a changed value": {func(d *fakeDump) { rewrite(d, parts[1], replace("xxxx", "xxxy")) }, "its rows have the digest"},
		"a lost row": {func(d *fakeDump) {
			rewrite(d, parts[1], func(b []byte) []byte { return b[bytes.IndexByte(b, '\n')+1:] })
		}, "rows instead of"},
		"half a row":         {func(d *fakeDump) { rewrite(d, parts[1], func(b []byte) []byte { return b[:len(b)-3] }) }, "not whole"},
		"one column more":    {func(d *fakeDump) { rewrite(d, parts[1], replace("xxxx", "xx\tx")) }, "3 columns instead of 2"},
		"a strange escape":   {func(d *fakeDump) { rewrite(d, parts[1], replace("xxxx", `xx\q`)) }, "backslash"},
		"an end of rows":     {func(d *fakeDump) { rewrite(d, parts[1], replace("xxxx", "x\n\\.\n")) }, "backslash"},
		"half a null":        {func(d *fakeDump) { rewrite(d, parts[1], replace("xxxx", `xx\N`)) }, "null"},
		"a zero byte":        {func(d *fakeDump) { rewrite(d, parts[1], replace("xxxx", "xxx\x00")) }, "control character"},
		"a first part gone":  {func(d *fakeDump) { remove(d, parts[0]) }, "the part before it ends at"},
		"a middle part gone": {func(d *fakeDump) { remove(d, parts[1]) }, "the part before it ends at"},
		"the last part gone": {func(d *fakeDump) { remove(d, parts[len(parts)-1]) }, "is the last part of public.audit"},
		"a table gone": {func(d *fakeDump) {
			remove(d, "data/public/empty/0000000000000000")
			d.facts(t, func(f *source.Facts) { f.Tables-- })
		}, "table public.empty is defined and has no stream"},
		"a table unannounced": {func(d *fakeDump) { d.facts(t, func(f *source.Facts) { f.Tables++ }) }, "tables"},
		"a table undefined": {func(d *fakeDump) {
			rewrite(d, source.PreData, replace("Name: empty; Type: TABLE", "Name: emptx; Type: TABLE"))
		}, "no table public.empty is defined"},
		"overlapping parts":    {func(d *fakeDump) { d.part(t, parts[1], func(p *source.Part) { p.From = "1" }) }, "the part before it ends at"},
		"another digest":       {func(d *fakeDump) { d.part(t, parts[2], func(p *source.Part) { p.Digest++ }) }, "its rows have the digest"},
		"another order":        {func(d *fakeDump) { d.part(t, parts[2], func(p *source.Part) { p.Order = "ctid" }) }, "ordered by"},
		"other columns":        {func(d *fakeDump) { d.part(t, parts[2], func(p *source.Part) { p.Columns = p.Columns[:1] }) }, "columns"},
		"a view forgotten":     {func(d *fakeDump) { d.facts(t, func(f *source.Facts) { f.Views = f.Views[1:] }) }, "whether the materialized view"},
		"a sequence too many":  {func(d *fakeDump) { d.facts(t, func(f *source.Facts) { f.Sequences++ }) }, "sequences instead of"},
		"a sequence undefined": {func(d *fakeDump) { rewrite(d, source.Sequences, replace("audit_id_seq", "audit_id_seqx")) }, "defined nowhere"},
		"a script cut":         {func(d *fakeDump) { rewrite(d, source.PreData, func(b []byte) []byte { return b[:len(b)-6] }) }, "has no end"},
		"a value in no column": {func(d *fakeDump) {
			rewrite(d, "data/public/bare/0000000000000000", func([]byte) []byte { return []byte("x\n") })
		}, "no columns"},
	} {
		d := good.copied()
		c.damage(d)
		l, err := postgres.Checker{}.Check(t.Context(), d)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil && strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: the error repeats a value: %v", what, err)
		}
		if len(l.Streams) > 0 {
			t.Errorf("%s: something was counted all the same", what)
		}
	}
}

func TestAReaderThatFindsDamageAtItsEndIsBelieved(t *testing.T) {
	s := shared.Get(t)
	db := s.Create(t, "")
	s.SQL(t, db, audit)
	d := sourced(t, s, db, source.Selection{})
	for _, i := range d.infos {
		d.wrap = func(name string, r io.Reader) io.Reader {
			if name == i.Name {
				return io.MultiReader(r, swapped{})
			}
			return r
		}
		if _, err := (postgres.Checker{}).Check(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("stream %q: %v", i.Name, err)
		}
	}
}

type swapped struct{}

func (swapped) Read([]byte) (int, error) { return 0, snapshot.Damaged("a pack", "it was swapped") }
