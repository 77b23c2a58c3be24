package auditlog

import (
	"bytes"
	"compress/gzip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/restore"
	"holdfast/snapshot/source/auditlog/auditlogtest"
)

// daily returns three days of a log, 100 requests each, and the maker that goes on.
func daily() (days [][]byte, m *auditlogtest.Maker) {
	m = auditlogtest.NewMaker(5)
	for d := range 3 {
		m.Now = auditlogtest.Begin.AddDate(0, 0, d)
		days = append(days, m.Lines(100))
	}
	m.Now = auditlogtest.Begin.AddDate(0, 0, 3)
	return days, m
}

func TestDiffTellsWhatWasAddedAndWhatIsGone(t *testing.T) {
	days, m := daily()
	next := m.Lines(30)
	first, second, third := days[0], days[1], days[2]
	before := files{"audit.log.2": first, "audit.log.1": second, "audit.log": third}
	added := restore.Change{Name: "2026-11-04", Change: "added", Detail: "60 entries"}
	gone := func(day, detail string) restore.Change {
		return restore.Change{Name: day, Change: "removed", Detail: detail}
	}
	const vanished = " entries vanished, though the log still reaches back to their time"
	for name, test := range map[string]struct {
		after files
		want  []restore.Change
	}{
		"nothing":                 {before, nil},
		"the log grew":            {files{"audit.log.2": first, "audit.log.1": second, "audit.log": join(third, next)}, []restore.Change{added}},
		"it was rotated":          {files{"audit.log.3": first, "audit.log.2": second, "audit.log.1": third, "audit.log": next}, []restore.Change{added}},
		"the oldest expired":      {files{"audit.log.2": second, "audit.log.1": third, "audit.log": next}, []restore.Change{gone("2026-11-01", "200 entries, older than all that is kept"), added}},
		"a file vanished":         {files{"audit.log.2": first, "audit.log.1": third, "audit.log": next}, []restore.Change{gone("2026-11-02", "200"+vanished), added}},
		"lines were taken out":    {files{"audit.log.2": first, "audit.log.1": without(second, 50, 3), "audit.log": join(third, next)}, []restore.Change{gone("2026-11-02", "3"+vanished), added}},
		"the beginning was cut":   {files{"audit.log.2": without(first, 0, 10), "audit.log.1": second, "audit.log": third}, []restore.Change{gone("2026-11-01", "10"+vanished)}},
		"the end was cut":         {files{"audit.log.2": first, "audit.log.1": second, "audit.log": without(third, 190, 10)}, []restore.Change{gone("2026-11-03", "10"+vanished)}},
		"files were put together": {files{"audit.log.1": join(first, second), "audit.log": third}, nil},
		"a line was altered": {files{"audit.log.2": first, "audit.log.1": bytes.Replace(second, []byte("approle"), []byte("appRole"), 1), "audit.log": third},
			[]restore.Change{{Name: "2026-11-02", Change: "added", Detail: "1 entries that are dated before the end of the earlier log: written into the past"},
				gone("2026-11-02", "1"+vanished)}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, per := range []int64{1 << 20, 37} {
				perPass = per
				got, err := Diff(t.Context(), dumped(t, before), dumped(t, test.after))
				perPass = 1 << 20
				must(t, err)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%d lines a pass: %s", per, diff)
				}
			}
		})
	}
}

func TestDiffDoesNotReadWhatDidNotChange(t *testing.T) {
	days, m := daily()
	a := dumped(t, files{"audit.log.2": days[0], "audit.log.1": days[1], "audit.log": days[2]})
	b := dumped(t, files{"audit.log.3.gz": packed(t, days[0]), "audit.log.2": days[1], "audit.log.1": days[2], "audit.log": m.Lines(5)})
	_, err := Diff(t.Context(), a, b)
	must(t, err)
	if a.Read.Load() > 0 || b.Read.Load() > 20_000 {
		t.Errorf("%d and %d bytes were read", a.Read.Load(), b.Read.Load())
	}
}

func TestEntriesOutOfOrderAreNotCalledInserted(t *testing.T) {
	m := auditlogtest.NewMaker(6)
	before := m.Lines(10)
	m.Now = m.Now.Add(-2 * m.Step).Add(-time.Second)
	late := m.Lines(1)
	got, err := Diff(t.Context(), dumped(t, files{"audit.log": before}), dumped(t, files{"audit.log": join(before, late)}))
	must(t, err)
	if diff := cmp.Diff([]restore.Change{{Name: "2026-11-01", Change: "added", Detail: "2 entries"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCutBeginningOfAShortLogIsNotTakenForRotation(t *testing.T) {
	text := auditlogtest.NewMaker(7).Lines(3) // all within half a minute
	got, err := Diff(t.Context(), dumped(t, files{"audit.log": text}), dumped(t, files{"audit.log": without(text, 0, 2)}))
	must(t, err)
	want := []restore.Change{{Name: "2026-11-01", Change: "removed", Detail: "2 entries vanished, though the log still reaches back to their time"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// without takes n lines out, from the one at.
func without(text []byte, at, n int) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	return bytes.Join(slices.Delete(lines, at, at+n), nil)
}

func packed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}
