package config

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDurationsAreRead(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "30s": 30 * time.Second, "5m": 5 * time.Minute, "26h": 26 * time.Hour, "7d": 168 * time.Hour, "2w": 336 * time.Hour,
		"1d12h": 36 * time.Hour, "1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond, "1h30m": 90 * time.Minute,
	} {
		if got, err := ParseDuration(in); err != nil || got.Std() != want {
			t.Errorf("%q is %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1h", "+1h", "1", "h", "1mo", "3M", "1y", "2 years", "1 h", "1h 30m", "1e3s", "1µs", "1ns", "999999999999w", "½d", "１d"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%q is taken as %v", in, got)
		}
	}
}

func TestDurationsAndSizesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, 1e10).Draw(t, "ms") * int64(time.Millisecond))
		if got, err := ParseDuration(d.String()); err != nil || got != d {
			t.Fatalf("%d is written %q and read %d, %v", d, d, got, err)
		}
		s := Size(rapid.Int64Range(0, 1<<52).Draw(t, "size"))
		if got, err := ParseSize(s.String()); err != nil || got != s {
			t.Fatalf("%d is written %q and read %d, %v", s, s, got, err)
		}
	})
}

func TestSizesAreRead(t *testing.T) {
	for in, want := range map[string]Size{"200MiB": 200 << 20, "1.5GiB": 3 << 29, "2MB": 2e6, "1kB": 1000, "1KiB": 1024, "7B": 7, "0B": 0} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "200", "MiB", "-1MiB", "1mb", "1 MiB", "1KB", "99999999TiB", "1PiB", "20MiB/s"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%q is taken as %d", in, got)
		}
	}
	var r Rate
	if err := r.set("20MiB/s", place{}); err != nil || r != 20<<20 || r.String() != "20MiB/s" {
		t.Errorf("20MiB/s is %v, %v", r, err)
	}
}

func TestSchedulesAreChecked(t *testing.T) {
	for _, s := range []string{"0 2 * * *", "*/5 * * * *", "0 0 1-15/2 jan,MAR mon-fri", "0 5 * * 0", "@daily", "@every 90m", "? ? ? ? ?", "59 23 31 12 6"} {
		if m := cronMistake(s); m != nil {
			t.Errorf("%q is refused: %v", s, m)
		}
	}
	for _, s := range []string{"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "*/0 * * * *", "5-1 * * * *",
		"@dayly", "@every 1s", "@every x", "@every", "TZ=UTC 0 0 * * *", "TZ=0", "CRON_TZ=x", "L * * * *", "* * * * mon#1", "1,, * * * *", "-1 * * * *"} {
		if m := cronMistake(s); m == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestSuggestionsAreNearOnly(t *testing.T) {
	known := []string{"vaults", "jobs", "retention", "repository"}
	for in, want := range map[string]string{
		"vault": "vaults", "Jobs": "jobs", "retension": "retention", "repositroy": "repository",
		"retenti": "retention", "x": "", "ab": "", "something": "", "": "", "rten": "",
	} {
		if got := Nearest(in, known); got != want {
			t.Errorf("%q suggests %q, want %q", in, got, want)
		}
	}
}

func TestEditsIsADistance(t *testing.T) {
	word := rapid.StringMatching(`[abc]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		const most = 100
		ab, bc, ac := edits(a, b, most), edits(b, c, most), edits(a, c, most)
		if ab != edits(b, a, most) || (ab == 0) != (a == b) || ac > ab+bc || ab > max(len(a), len(b)) {
			t.Fatalf("%q %q %q: %d %d %d", a, b, c, ab, bc, ac)
		}
	})
}

func TestWarningsTellWhatIsProbablyNotMeant(t *testing.T) {
	c := parse(t, `repository: {url: "s3://b"}
keys: {recipients: [`+classicKey+`]}
vaults: {a: {kind: files, path: x}, b: {kind: files, path: y}}
jobs:
  utc: {vaults: [a], cron: "30 2 * * *"}
  berlin: {vaults: [a], cron: "30 2 * * *", timezone: Europe/Berlin}
`)
	got := c.Warnings().Error()
	for _, want := range []string{":2:7: there is no escrow", ":6:31: on the days when clocks change", ":3:40: no job takes snapshots of this vault"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if n := len(c.Warnings()); n != 3 {
		t.Errorf("%d warnings:\n%s", n, got)
	}
}
