package postgres

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// However rows are cut into writes, the same is found in them.
func TestShapesDoNotDependOnWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.StringMatching(`([ab\t\n]|\\N|\\\\|\\t|\\x|\\){0,40}`).Draw(t, "rows")
		columns := rapid.IntRange(0, 3).Draw(t, "columns")
		whole := &shape{columns: columns}
		_, _ = whole.Write([]byte(rows))
		cut := &shape{columns: columns}
		for rest := rows; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			_, _ = cut.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		if (whole.err == nil) != (cut.err == nil) || whole.err == nil && whole.row != cut.row {
			t.Fatalf("%q: %v in one, %v in pieces", rows, whole.err, cut.err)
		}
	})
}

func TestRowsOfTheServerHaveAGoodShape(t *testing.T) {
	for rows, columns := range map[string]int{
		"": 2, "a\tb\n": 2, "\\N\t\\N\n": 2, "\t\n": 2, "\n\n": 0, "\n": 1, `\\N` + "\n": 1, `a\\\t\n\r\b\f\v` + "\t" + `\\x00` + "\n": 2, `\\.` + "\n": 1,
	} {
		s := &shape{columns: columns}
		if _, _ = s.Write([]byte(rows)); s.err != nil {
			t.Errorf("%q: %v", rows, s.err)
		}
	}
	for rows, columns := range map[string]int{
		"a\n": 2, "a\tb\tc\n": 2, `\.` + "\n": 1, `a\N` + "\n": 1, `\Na` + "\n": 1, `\N\\` + "\n": 1, `\N\N` + "\n": 1, `a\` + "\n": 1, "a\r\n": 1, "x\n": 0, "\t\n": 0, `\x41` + "\n": 1,
	} {
		s := &shape{columns: columns}
		if _, _ = s.Write([]byte(rows)); s.err == nil {
			t.Errorf("%q was found to be good", rows)
		}
	}
}

func BenchmarkShape(b *testing.B) {
	rows := []byte(strings.Repeat("12345\tREAD\tstripe_api_key\t2026-01-01 00:00:00\t10.0.0.1\tcurl/8.0 (some agent)\t\\N\tt\t\\N\n", 3000))
	b.SetBytes(int64(len(rows)))
	for b.Loop() {
		s := &shape{columns: 9}
		if _, _ = s.Write(rows); s.err != nil {
			b.Fatal(s.err)
		}
	}
}
