package postgres

import (
	"math"
	"testing"
	"time"

	"github.com/lib/pq"
	"pgregory.net/rapid"
)

// An origin follows another only if nothing says that it is of another history.
func TestAnOriginFollowsItsOwnHistoryAlone(t *testing.T) {
	before := Origin{System: "7", Timeline: 1, Started: time.Unix(100, 0), Reset: time.Unix(50, 0), Database: 5, Xmin: 1000, Xmax: 1010, LSN: "1/A0"}
	later := before
	later.Xmin, later.Xmax, later.LSN = 2000, 2001, "2/0"
	if !later.follows(before) || !before.follows(before) {
		t.Fatal("a later point of a history does not follow the earlier one")
	}
	for name, change := range map[string]func(o, before *Origin){
		"no system":               func(o, before *Origin) { o.System, before.System = "", "" },
		"another system":          func(o, _ *Origin) { o.System = "8" },
		"another timeline":        func(o, _ *Origin) { o.Timeline = 2 },
		"another process":         func(o, _ *Origin) { o.Started = o.Started.Add(time.Microsecond) },
		"statistics begun anew":   func(o, _ *Origin) { o.Reset = o.Reset.Add(time.Microsecond) },
		"no statistics":           func(o, before *Origin) { o.Reset, before.Reset = time.Unix(0, 0), time.Unix(0, 0) },
		"a standby":               func(o, _ *Origin) { o.Standby = true },
		"another database":        func(o, _ *Origin) { o.Database = 6 },
		"an xmin gone back":       func(o, _ *Origin) { o.Xmin = 999 },
		"an xmax gone back":       func(o, _ *Origin) { o.Xmin, o.Xmax = 1000, 1009 },
		"a log gone back":         func(o, _ *Origin) { o.LSN = "1/9F" },
		"a log without sense":     func(o, _ *Origin) { o.LSN = "" },
		"too many transactions":   func(o, before *Origin) { o.Xmax = before.Xmin + 1<<30 },
		"an xmin that is special": func(_, before *Origin) { before.Xmin = 2 },
	} {
		o, b := later, before
		change(&o, &b)
		if o.follows(b) {
			t.Errorf("%s: %+v follows %+v", name, o, b)
		}
	}
}

// The cells of a grid cover the line without gap or overlap, in the order of their labels, and cells
// inside have the same boundaries whatever the ends are.
func TestGridsCoverTheLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Int64().Draw(t, "low")
		high := rapid.Int64Min(low).Draw(t, "high")
		n := rapid.Int64Range(1, 600).Draw(t, "n")
		e := extent{low, high, low, high}
		g := e.grid(numbers, n, nil)
		if g.cells() > maxCells {
			t.Fatalf("%d cells for %d", g.cells(), n)
		}
		to, last := "", ""
		var parts []Part
		for i, s := range g.spans() {
			if s.from != to || (i > 0 && (s.from == "" || s.label <= last)) {
				t.Fatalf("cell %d is from %q after one to %q, labelled %q after %q", i, s.from, to, s.label, last)
			}
			to, last = s.to, s.label
			parts = append(parts, Part{Order: "id", From: s.from, To: s.to})
		}
		if to != "" {
			t.Fatalf("the last cell ends at %s", to)
		}
		if len(parts) < 3 || high > math.MaxInt64/2 || low < math.MinInt64/2 {
			return
		}
		grown := extent{low, high + (high-low)/8, low, high + (high-low)/8}.grid(numbers, n, parts)
		if grown.shift != g.shift || grown.first != g.first {
			t.Fatalf("a table that grew has %+v after %+v", grown, g)
		}
	})
}

func TestScalesWriteWhatTheyRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for s, r := range map[scale][2]int64{
			pages: {0, math.MaxUint32}, numbers: {math.MinInt64, math.MaxInt64}, instant: {earliest, latest}, uuid7: {0, 1<<48 - 1},
		} {
			at := rapid.Int64Range(r[0], r[1]).Draw(t, "at")
			if back, err := s.read(s.write(at)); err != nil || back != at {
				t.Fatalf("%d is written %q and read %d, %v", at, s.write(at), back, err)
			}
		}
	})
}

// One value that is off makes neither thousands of cells nor one that has all rows.
func TestAnOutlierDoesNotSpoilTheGrid(t *testing.T) {
	e := extent{low: 1, high: 1 << 60, usualLow: 1, usualHigh: 1_000_000}
	g := e.grid(numbers, 100, nil)
	if inside := 1_000_000 >> g.shift; inside < 50 || g.cells() > 1000 {
		t.Errorf("%d cells, %d where the rows are", g.cells(), inside)
	}
}

// A sample with new rows nearly everywhere saves the counting, and one that saw little does not.
func TestCountingIsLeftOutWhereASampleShowsItUseless(t *testing.T) {
	for _, c := range []struct {
		seen, changed int
		want          bool
	}{{0, 0, false}, {15, 15, false}, {16, 16, true}, {100, 90, true}, {100, 89, false}, {100, 0, false}} {
		parts, sampled := make([]*part, 200), map[*part]census{}
		for i := range parts {
			parts[i] = &part{}
			if i < c.seen {
				sampled[parts[i]] = census{rows: 10}
			}
			if i < c.changed {
				sampled[parts[i]] = census{rows: 10, fresh: 1}
			}
		}
		if got := (count{tableParts: tableParts{parts: parts}}).hopeless(sampled); got != c.want {
			t.Errorf("of %d parts seen %d changed: hopeless %t", c.seen, c.changed, got)
		}
	}
}

func FuzzPatterns(f *testing.F) {
	for _, s := range []string{"a", "a.b", `"a.b".c*`, `"a""b"`, "a..b", `"`, "*.?"} {
		f.Add(s, "a")
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		p, err := ParsePattern(text)
		if err != nil {
			return
		}
		p.match(name{other, text})
		quoted, err := ParsePattern(pq.QuoteIdentifier(other) + "." + pq.QuoteIdentifier(text))
		if other == "" {
			return
		}
		if err != nil || !quoted.match(name{other, text}) || quoted.match(name{other, text + "x"}) {
			t.Fatalf("quoted %q.%q: %v", other, text, err)
		}
	})
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"a*", "abc", true}, {"*c", "abc", true}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"*a*b*", "xaxbx", true}, {"*a*b", "xbxa", false}, {"?", "ü", true}, {"a*a", "a", false},
	} {
		if got := wildMatch([]rune(c.pattern), []rune(c.name)); got != c.want {
			t.Errorf("%q matches %q: %t", c.pattern, c.name, got)
		}
	}
}
