package postgres

import (
	"testing"

	"pgregory.net/rapid"
)

// Rows are known by all columns of their key and by nothing else, however they are cut into writes.
func TestRowsAreKnownByTheirWholeKey(t *testing.T) {
	ids := func(rows string, cuts func(int) int) (list []rowID) {
		l := &lines{key: []int{0, 2}, take: func(id rowID) { list = append(list, id) }}
		for rest := rows; rest != ""; {
			n := cuts(len(rest))
			_, _ = l.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		return list
	}
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.StringMatching(`[ab]{0,3}`)
		a, b, c, x := field.Draw(t, "a"), field.Draw(t, "b"), field.Draw(t, "c"), field.Draw(t, "x")
		got := ids(a+"\t"+b+"\t"+c+"\n"+a+"\t"+x+"\t"+c+"\n"+a+"\t"+b+"\t"+x+"\n", func(n int) int { return rapid.IntRange(1, n).Draw(t, "cut") })
		if len(got) != 3 {
			t.Fatalf("%d rows", len(got))
		}
		if got[0].key != got[1].key || (got[0].row == got[1].row) != (b == x) {
			t.Fatalf("%q changed to %q: %v", b, x, got)
		}
		if (got[0].key == got[2].key) != (c == x) {
			t.Fatalf("key %q changed to %q: %v", c, x, got)
		}
	})
}
