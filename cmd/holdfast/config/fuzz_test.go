package config

import (
	"errors"
	"testing"
)

// Whatever the input, Parse returns a configuration that can be shown and read back, or
// mistakes with places.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", base, everything, "a: &a [*a]", "<<: *x", "? a\n: b", "- - -", "\ufeffa: b", "---\n...\n---\n", "a: |2\n  b", "%YAML 1.2\n---\na: b", "{a: [b, {c: d}], e: 'f'}", "a: !!str b", "\"\\u0000\": 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse("/conf/holdfast.yaml", b)
		if err != nil {
			var all Errors
			if !errors.As(err, &all) || len(all) == 0 || c != nil {
				t.Fatalf("%v, %v", c, err)
			}
			for _, e := range all {
				if e.Line < 1 || e.Column < 1 || e.Message == "" {
					t.Fatalf("%+v", e)
				}
			}
			return
		}
		shown, err := c.Show()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.ShowJSON(); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Secrets() {
			if s.Reference() == redacted {
				return // it cannot read back
			}
		}
		if _, err := Parse("/conf/holdfast.yaml", shown); err != nil {
			t.Fatalf("%q is shown as %q: %v", b, shown, err)
		}
		if w := c.Warnings(); len(w) > len(b) {
			t.Errorf("%d warnings about %d bytes", len(w), len(b))
		}
	})
}
