package kv

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"holdfast/snapshot"
)

func TestPatternChoosesWhatItSays(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		match, covers bool // covers: as a folder
	}{
		{"secret", "secret/a/b", true, true},
		{"secret/", "secret/a", true, true},
		{"secret/a", "secret/a", true, true},
		{"secret/a", "secret/ab", false, false},
		{"secret/*", "secret/a/b", true, true},
		{"secret/*", "secret", false, true},
		{"secret/a/**", "secret/a", false, true},
		{"secret/a/**", "secret/a/b", true, true},
		{"**/ci", "secret/x/ci/y", true, true},
		{"**/ci", "secret/x", false, false},
		{"secret/?pp", "secret/app", true, true},
		{`secret/a\*`, "secret/a*", true, true},
		{`secret/a\*`, "secret/ab", false, false},
		{"=secret/a", "secret/a", true, false},
		{"=secret/a", "secret/a/b", false, false},
		{"=secret/*/b", "secret/a/b", true, false},
		{"**", "secret", true, true},
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if p.Match(c.path) != c.match || p.covers(c.path) != c.covers {
			t.Errorf("%s and %s: match %v, covers %v", c.pattern, c.path, p.Match(c.path), p.covers(c.path))
		}
		if (c.match || c.covers) && !p.Reaches("secret") {
			t.Errorf("%s does not reach secret", c.pattern)
		}
	}
	for _, bad := range []string{"", "/", "=", "a/[", "="} {
		if _, err := ParsePattern(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, far := range []string{"other", "other/**", "secret2/a", "=secret"} {
		if p, err := ParsePattern(far); err != nil || p.Reaches("secret") {
			t.Errorf("%s reaches secret: %v", far, err)
		}
	}
}

const goodLine = `{"path":"a","metadata":{"current_version":3,"oldest_version":2,"versions":{"2":{"created_time":"t","deletion_time":"","destroyed":true},` +
	`"3":{"created_time":"t","deletion_time":"","destroyed":false}}},"versions":[{"version":3,"data":{"n":1.50}}]}` + "\n"

func FuzzSecret(f *testing.F) {
	f.Add([]byte(goodLine), 2)
	f.Add([]byte(`{"path":"a","data":{"n":1}}`+"\n"), 1)
	f.Add([]byte(`{"path":"a","metadata":{"versions":{"0":{}}}}`), 2)
	f.Fuzz(func(t *testing.T, line []byte, version int) {
		s, err := ParseSecret(line, 1+version&1)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := s.encode()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := ParseSecret(again, 1+version&1)
		if err != nil || back.Path != s.Path || len(back.Versions) != len(s.Versions) {
			t.Fatalf("what was written reads differently: %v", err)
		}
		if s.Metadata != nil {
			st, err := s.State()
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range st.Versions {
				if v.Number == 0 || v.Number > st.Current || i > 0 && v.Number <= st.Versions[i-1].Number {
					t.Fatalf("version %d of %d", v.Number, st.Current)
				}
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte("{\"path\":\"a\",\"bytes\":10}\n{\"path\":\"b\",\"bytes\":20}\n"))
	f.Add([]byte("{\"path\":\"a\",\"bytes\":-1}\n"))
	f.Add([]byte("{\"path\":\"b\",\"bytes\":10}\n{\"path\":\"a\",\"bytes\":20}\n"))
	f.Fuzz(func(t *testing.T, index []byte) {
		x := NewIndexReader("m", bytes.NewReader(index))
		var last string
		var end int64
		for {
			p, err := x.Next()
			if err == io.EOF {
				if x.Bytes() != int64(len(index)) {
					t.Fatalf("%d bytes read of %d", x.Bytes(), len(index))
				}
				return
			}
			if err != nil {
				if !errors.Is(err, snapshot.ErrDamaged) {
					t.Fatalf("%v", err)
				}
				return
			}
			if p.Path <= last || p.Offset != end || p.Length <= 0 {
				t.Fatalf("%+v after %q, %d", p, last, end)
			}
			last, end = p.Path, p.Offset+p.Length
		}
	})
}

func TestLineGoesThroughUnchanged(t *testing.T) {
	s, err := ParseSecret([]byte(goodLine), 2)
	if err != nil {
		t.Fatal(err)
	}
	line, err := s.encode()
	if err != nil || string(line) != goodLine {
		t.Errorf("%s, %v", line, err)
	}
	if string(s.Versions[0].Data) != `{"n":1.50}` {
		t.Errorf("data %s", s.Versions[0].Data)
	}
	for _, bad := range []string{
		`{"path":"a"}`, `{"path":"a","data":{}}`, `[]`, `{"path":"a","metadata":{},"other":1}`, goodLine + "{}",
		`{"path":"a","metadata":{"current_version":1,"versions":{"1":{}}}}`,
		`{"path":"a","metadata":{"current_version":1,"versions":{"2":{"destroyed":true}}}}`,
		`{"path":"a","metadata":{"current_version":1,"versions":{"x":{"destroyed":true}}}}`,
	} {
		if _, err := ParseSecret([]byte(bad), 2); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	var d Duration
	for text, want := range map[string]float64{`"1h30m0s"`: 5400, `"0s"`: 0, `""`: 0, `90`: 90, `"-1s"`: -1} {
		if err := json.Unmarshal([]byte(text), &d); err != nil || float64(d)/1e9 != want {
			t.Errorf("%s is %v, %v", text, d, err)
		}
	}
}
