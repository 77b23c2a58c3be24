package auditlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"holdfast/snapshot/source/auditlog/auditlogtest"
)

func TestRequestsAndFailuresAreCountedOnce(t *testing.T) {
	m := auditlogtest.NewMaker(40)
	m.Now = time.Date(2026, 11, 2, 10, 59, 59, 0, time.UTC)
	denied := "1 error occurred:\n\t* permission denied\n\n"
	text := m.Pair(auditlogtest.Request{Operation: "read", Path: "secret/data/a/b/c", Actor: "ada", Address: "10.0.0.1"})
	text = append(text, m.Pair(auditlogtest.Request{Operation: "read", Path: "secret/data/a/x", Actor: "ada", Address: "10.0.0.1", Error: denied})...)
	text = append(text, m.Pair(auditlogtest.Request{Operation: "update", Path: "secret/data/a/b/c", Actor: "bob", Address: "10.0.0.2"})...)
	got := countAll(t, text)
	last := func(s int) int64 { return time.Date(2026, 11, 2, 11, 0, s, 0, time.UTC).Unix() }

	if got.Lines != 6 || got.Entries != 6 || got.Requests != 3 || got.Responses != 3 || got.Failures != 1 || got.Incomplete != 0 {
		t.Errorf("sums: %+v", got)
	}
	for name, group := range map[string]struct{ got, want Group }{
		"operations": {got.Operations, rows(Row{"read", Tally{2, 1, last(6)}}, Row{"update", Tally{1, 0, last(13)}})},
		"paths":      {got.Paths, rows(Row{"secret/data/a/", Tally{3, 1, last(13)}})},
		"mounts":     {got.Mounts, rows(Row{"secret/ kv", Tally{3, 1, last(13)}})},
		"actors":     {got.Actors, rows(Row{"ada", Tally{2, 1, last(6)}}, Row{"bob", Tally{1, 0, last(13)}})},
		"addresses":  {got.Addresses, rows(Row{"10.0.0.1", Tally{2, 1, last(6)}}, Row{"10.0.0.2", Tally{1, 0, last(13)}})},
		"errors":     {got.Errors, rows(Row{"permission denied", Tally{0, 1, last(6)}})},
		"days":       {got.Days, rows(Row{"2026-11-02", Tally{3, 1, last(13)}})},
		"actor":      {got.FailedActors, rows(Row{"2026-11-02 ada", Tally{0, 1, last(6)}})},
		"path":       {got.FailedPaths, rows(Row{"2026-11-02 secret/data/a/x", Tally{0, 1, last(6)}})},
		"hours": {got.ReadHours, rows(Row{"2026-11-02T10 ada", Tally{1, 0, last(-1)}},
			Row{"2026-11-02T11 ada", Tally{1, 0, last(6)}})},
	} {
		if diff := cmp.Diff(group.want, group.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if len(got.Entities.Rows) != 2 || got.First != time.Date(2026, 11, 2, 10, 59, 59, 0, time.UTC) {
		t.Errorf("entities %v, first %s", got.Entities.Rows, got.First)
	}
}

func TestLoginIsCountedUnderWhomItLoggedIn(t *testing.T) {
	line := `{"time":"2026-11-02T10:00:00Z","type":"response","error":"x","request":{"operation":"update","path":"auth/userpass/login/ada","remote_address":"::1"},` +
		`"response":{"auth":{"display_name":"userpass-ada"}}}`
	got := countAll(t, []byte(line)).Actors.Rows
	if len(got) != 1 || got[0].Key != "userpass-ada" || got[0].Requests != 1 || got[0].Failures != 1 {
		t.Errorf("actors: %+v", got)
	}
}

func TestPrefixOfADeviceIsNotInTheWay(t *testing.T) {
	text := bytes.ReplaceAll(auditlogtest.NewMaker(41).Lines(3), []byte("{\"auth\""), []byte("vault-audit: {\"auth\""))
	if got := countAll(t, text); got.Requests != 3 || got.Responses != 3 {
		t.Errorf("%d requests, %d responses", got.Requests, got.Responses)
	}
}

func TestGroupsAreBoundedAndTheirSumsExact(t *testing.T) {
	const n = 3 * held
	m := newTable()
	for i := range n {
		m.count(fmt.Sprintf("key-%06d", i), Tally{Requests: 1})
		m.count("busy", Tally{Failures: 1, Last: int64(i)})
		if len(m.tallies) > held {
			t.Fatalf("%d keys in memory", len(m.tallies))
		}
	}
	g := m.group(kept)
	if len(g.Rows) != kept || g.Rows[0] != (Row{"busy", Tally{Failures: n, Last: n - 1}}) {
		t.Errorf("%d rows, first %+v", len(g.Rows), g.Rows[0])
	}
	if sum := g.Total(); sum != (Tally{n, n, n - 1}) {
		t.Errorf("total %+v", sum)
	}
}

func TestCountsFitTheirPlace(t *testing.T) {
	var c Counter
	m := auditlogtest.NewMaker(42)
	for i := range 3000 {
		for line := range bytes.Lines(m.Pair(auditlogtest.Request{Error: fmt.Sprint("error ", i), Path: fmt.Sprintf("%d/%s", i, strings.Repeat("é", 300)), Actor: fmt.Sprint(i)})) {
			c.Add(line)
		}
	}
	counts, err := c.ofFile()
	must(t, err)
	b, err := json.Marshal(counts)
	must(t, err)
	if len(b) > maxFileJSON || len(b) < maxFileJSON/2 {
		t.Errorf("%d bytes of JSON", len(b))
	}
	if sum := counts.Paths.Total(); sum.Requests != 3000 || sum.Failures != 3000 {
		t.Errorf("total %+v", sum)
	}
}

func TestMergedPartsAreTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := auditlogtest.NewMaker(rapid.Byte().Draw(t, "seed"))
		m.Step = time.Duration(rapid.IntRange(1, 20_000).Draw(t, "step")) * time.Second
		lines := bytes.SplitAfter(m.Lines(rapid.IntRange(1, 40).Draw(t, "requests")), []byte("\n"))
		cut := rapid.IntRange(0, len(lines)).Draw(t, "cut")
		var whole, first, second Counter
		for i, line := range lines {
			whole.Add(line)
			if i < cut {
				first.Add(line)
			} else {
				second.Add(line)
			}
		}
		one, other := first.Counts(), second.Counts()
		one.Merge(other)
		if diff := cmp.Diff(whole.Counts(), one); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzEntriesAreReadWithoutPanic(f *testing.F) {
	for line := range bytes.Lines(auditlogtest.NewMaker(43).Lines(2)) {
		f.Add(line)
	}
	f.Add([]byte(`{"type":"request","time":"2026-01-01T00:00:00Z","request":{"data":{"a\"b":["x\\",{"c":""}]}}}`))
	f.Add([]byte(`{"type":"response","time":"2026-01-01T00:00:00+09:00","request":{},"response":{"data":"`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var c Counter
		at, ok := c.Add(line)
		counts := c.Counts()
		if ok != (counts.Entries == 1) || ok != !at.IsZero() || counts.Requests+counts.Responses != counts.Entries {
			t.Errorf("an entry: %v of %s, counted as %+v", ok, at, counts)
		}
		if err := counts.Fit(maxFileJSON); err != nil {
			t.Error(err)
		}
	})
}

func FuzzRawValuesAreFound(f *testing.F) {
	f.Add("key", "value", "hmac-sha256:00")
	f.Add(`a"b\`, "", `"`)
	f.Add(`a"b\`, "", hmacPrefix+`"`)
	f.Fuzz(func(t *testing.T, name, one, two string) {
		data, err := json.Marshal(map[string]any{name: []any{one, 5, true}, "other": map[string]any{"x": two}})
		must(t, err)
		raw := func(s string) bool { return s != "" && !strings.HasPrefix(s, hmacPrefix) }
		want := raw(one) && name != "other" || raw(two)
		if got := hasRaw(data); got != want {
			t.Errorf("hasRaw(%s) = %v", data, got)
		}
	})
}

func FuzzIndexIsRefusedOrSafe(f *testing.F) {
	f.Add([]byte(`{"type":"holdfast/auditlog/1","files":[{"name":"audit.log","stream":"log/x"}]}`))
	f.Add([]byte(`{"type":"holdfast/auditlog/1","files":[{"name":"../x","stream":"log/x"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := ReadIndex(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, f := range x.Files {
			if strings.ContainsAny(f.Name, "/\x00") || f.Name == ".." || f.Name == "." || f.Name == "" {
				t.Errorf("the name %q", f.Name)
			}
		}
	})
}

func BenchmarkCounting(b *testing.B) {
	text := auditlogtest.NewMaker(44).Lines(5000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, _, err := Recount(b.Context(), bytes.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}

func rows(r ...Row) Group { return Group{Rows: r} }

func countAll(t testing.TB, text []byte) Counts {
	t.Helper()
	c, n, err := Recount(t.Context(), bytes.NewReader(text))
	must(t, err)
	if n != int64(len(text)) {
		t.Fatalf("%d bytes of %d were counted", n, len(text))
	}
	return c
}
