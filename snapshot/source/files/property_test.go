package files

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestEntrySurvivesHeaderAndLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SliceOfN(rapid.ByteMax(254), 1, 300)
		clean := func(label string) string {
			s := strings.ToValidUTF8(string(name.Draw(t, label)), "?")
			s = strings.NewReplacer("\x00", "x", "/", "y").Replace(s)
			if s == "." || s == ".." {
				return "z"
			}
			return s
		}
		raw := func(label string) string {
			b := name.Draw(t, label)
			for i := range b {
				if b[i] == 0 || b[i] == '/' {
					b[i] = 0xff
				}
			}
			if s := string(b); s != "." && s != ".." {
				return s
			}
			return "z"
		}
		m := member{Entry: Entry{
			Path: raw("path"), Kind: File, Mode: rapid.Uint32Range(0, 0o7777).Draw(t, "mode"),
			UID: int(rapid.Uint32().Draw(t, "uid")), GID: int(rapid.Uint32().Draw(t, "gid")), Owner: clean("owner"), Group: raw("group"),
			MTime: time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC(),
			XAttrs: map[string][]byte{
				"user." + clean("key"): rapid.SliceOf(rapid.Byte()).Draw(t, "value"), "user.%3D=%": {0, '\n', '='},
			},
		}}
		h := m.header()
		got, err := entryOf(h)
		if err != nil || !sameHeader(&got, &m.Entry) {
			t.Fatalf("header: %v\n%s", err, cmp.Diff(m.Entry, got))
		}
		root, data := dirAt("."), rapid.StringN(0, 2000, -1).Draw(t, "data")
		root.MTime, m.Size, m.data = m.MTime, int64(len(data)), data
		link := member{Entry: Entry{Path: "\xff\xff" + raw("link"), Kind: Symlink, Mode: 0o777, Link: raw("target"), MTime: m.MTime}}
		if !before(m.Path, link.Path) {
			t.Skip()
		}
		roundTrip(t, root, m, link)
	})
}

func roundTrip(t *rapid.T, members ...member) {
	var a, b bytes.Buffer
	w := newTreeWriter(&a, &b)
	for i := range members {
		m := &members[i]
		err := w.add(&m.Entry, func(w io.Writer) error { _, err := io.WriteString(w, m.data); return err })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	r := NewReader(&a, &b)
	for _, m := range members {
		got, data, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m.Entry, got); diff != "" {
			t.Fatalf("entry (-want +got):\n%s", diff)
		}
		if m.Kind != File {
			continue
		}
		if read, err := io.ReadAll(data); err != nil || string(read) != m.data {
			t.Fatalf("data %q: %v", read, err)
		}
	}
	if _, _, err := r.Next(); err != io.EOF {
		t.Fatalf("end: %v", err)
	}
}

func TestOrderIsNameByName(t *testing.T) {
	path := rapid.StringMatching(`[a-c.\-]{1,3}(/[a-c.\-]{1,3}){0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		p, q := path.Draw(t, "p"), path.Draw(t, "q")
		want := sliceBefore(strings.Split(p, "/"), strings.Split(q, "/"))
		if before(p, q) != want {
			t.Fatalf("before(%q, %q) is %t", p, q, !want)
		}
	})
}

func sliceBefore(p, q []string) bool {
	for i := 0; i < len(p) && i < len(q); i++ {
		if p[i] != q[i] {
			return p[i] < q[i]
		}
	}
	return len(p) < len(q)
}

func TestPatternChoosesPathsAndAllBelow(t *testing.T) {
	for _, c := range []struct {
		pattern, yes, no string
	}{
		{"keys", "keys keys/a keys/a/b", "key keys2 a/keys ."},
		{"/keys/", "keys keys/a", "a/keys"},
		{"keys/*.pem", "keys/a.pem keys/a.pem/x", "keys keys/a keys/b/a.pem"},
		{"**/*.key", "a.key x/a.key x/y/a.key x/a.key/z", "a.kez x/a"},
		{"a/**", "a/b a/b/c", "a b"},
		{"a/**/z", "a/z a/b/z a/b/c/z a/z/q", "a z b/a/z"},
		{"**", "a a/b", "."},
		{"*", "a a/b", "."},
		{"[ab]?", "ax b1 ax/y", "a cx"},
		{"**/**/x", "x a/x a/b/x", "a"},
		{`\*`, "*", "a"},
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		for path := range strings.FieldsSeq(c.yes) {
			if !p.Match(path) {
				t.Errorf("%q does not match %q", c.pattern, path)
			}
		}
		for path := range strings.FieldsSeq(c.no) {
			if p.Match(path) {
				t.Errorf("%q matches %q", c.pattern, path)
			}
		}
	}
	for _, bad := range []string{"", "/", "[", "a//b", "../a", "a/./b"} {
		if _, err := ParsePattern(bad); err == nil {
			t.Errorf("pattern %q was accepted", bad)
		}
	}
}
