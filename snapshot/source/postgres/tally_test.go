package postgres

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// However rows are ordered and cut into writes, their digest is the same; a row that is lost,
// doubled or changed shows.
func TestTheDigestKnowsTheRowsAndNotTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.StringMatching(`[a-z\t\\]{0,20}`), 1, 30).Draw(t, "rows")
		tally := func(rows []string) (int64, Digest) {
			var text bytes.Buffer
			for _, r := range rows {
				text.WriteString(r + "\n")
			}
			var y Tally
			for text.Len() > 0 {
				y.Write(text.Next(rapid.IntRange(1, 40).Draw(t, "cut")))
			}
			d, err := y.Digest()
			if err != nil {
				t.Fatal(err)
			}
			return y.Rows, d
		}
		n, want := tally(rows)
		if n != int64(len(rows)) {
			t.Fatalf("%d rows counted of %d", n, len(rows))
		}
		mixed := append([]string(nil), rows...)
		rand.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if _, got := tally(mixed); got != want {
			t.Fatalf("shuffled: %s, want %s", got, want)
		}
		at := rapid.IntRange(0, len(rows)-1).Draw(t, "at")
		changed := append([]string(nil), rows...)
		changed[at] += "x"
		doubled := append([]string{rows[at]}, rows...)
		for what, other := range map[string][]string{"changed": changed, "doubled": doubled} {
			if _, got := tally(other); got == want {
				t.Fatalf("a %s row has the same digest", what)
			}
		}
	})
}

func TestATornRowHasNoDigest(t *testing.T) {
	var y Tally
	y.Write([]byte("1\ta\n2\tb"))
	if _, err := y.Digest(); err == nil {
		t.Fatal("half a row was digested")
	}
}

func TestDigestsSurviveText(t *testing.T) {
	for _, d := range []Digest{0, 1, 1 << 63, 0xfedcba9876543210} {
		text, _ := d.MarshalText()
		var back Digest
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Errorf("%s came back as %s, %v", d, back, err)
		}
	}
	var d Digest
	for _, bad := range []string{"", "12", "zzzzzzzzzzzzzzzz", "00112233445566778899"} {
		if d.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q was taken for a digest", bad)
		}
	}
}
