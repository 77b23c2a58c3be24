package main

import (
	"strings"
	"testing"
	"time"
)

func TestTablesLineUp(t *testing.T) {
	var out strings.Builder
	a := newApp(nil, &out, &strings.Builder{})
	a.table([]string{"vault", "size"}, [][]string{{"größe", "1.0 MiB"}, {"b", "512 KiB"}, {"evil\x1b[31m\n", "1 B"}}, 1)
	want := "VAULT          SIZE\ngröße       1.0 MiB\nb           512 KiB\nevil�[31m�      1 B\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestAgesReadWell(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for want, at := range map[string]time.Time{
		"never": {}, "3 hours ago": now.Add(-3 * time.Hour), "2 days ago": now.Add(-50 * time.Hour), "1 minute from now": now.Add(time.Minute),
	} {
		if got := ageText(at, now); got != want {
			t.Errorf("%v reads %q, want %q", at, got, want)
		}
	}
	if got := bytesText(3 << 29); got != "1.5 GiB" {
		t.Errorf("1.5 GiB reads %q", got)
	}
}

func TestHelpOfEveryCommandIsComplete(t *testing.T) {
	root := newApp(nil, &strings.Builder{}, &strings.Builder{}).command()
	queue := root.Commands()
	seen := 0
	for len(queue) > 0 {
		c := queue[0]
		queue = append(queue[1:], c.Commands()...)
		seen++
		if c.Short == "" || c.Long == "" || c.Example == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s lacks a short or long description or an example", c.CommandPath())
		}
		for _, line := range strings.Split(c.Long+"\n"+c.Example, "\n") {
			if len(line) > 160 {
				t.Errorf("%s: a line of %d characters", c.CommandPath(), len(line))
			}
		}
	}
	if seen < 9 {
		t.Errorf("only %d commands", seen)
	}
}
