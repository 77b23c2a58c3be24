package kv

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/kv/kvtest"
)

func TestDumpThatIsNotWholeIsFound(t *testing.T) {
	s := shared.Get(t)
	m := mount(t, s, 2)
	for _, name := range []string{"a", "b", "c"} {
		put(t, s, m, name, map[string]any{"value": name + name})
	}
	s.OK(t, http.MethodDelete, m.Path+"/data/c", nil)
	lines, index := kv.LinesStream(m.Path), kv.IndexStream(m.Path)
	original := dumper(t, s, m)
	if loaded, err := (Checker{}).Check(t.Context(), original()); err != nil || len(loaded.Streams) < 4 || loaded.Streams[0].Rows != 3 {
		t.Fatalf("the dump as it is: %+v, %v", loaded, err)
	}
	cut := func(b []byte, n int) []byte { return bytes.Clone(b[:len(b)-n]) }
	swap := func(b []byte, old, new string) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
	for what, spoil := range map[string]func(d *kvtest.Dump){
		"the last line is gone": func(d *kvtest.Dump) {
			d.Replace(lines, bytes.Join(bytes.SplitAfter(d.Bytes(lines), []byte("\n"))[:2], nil))
		},
		"the last byte is gone": func(d *kvtest.Dump) { d.Replace(lines, cut(d.Bytes(lines), 1)) },
		"a line too many":       func(d *kvtest.Dump) { d.Replace(lines, append(d.Bytes(lines), "{}\n"...)) },
		"index cut":             func(d *kvtest.Dump) { d.Replace(index, cut(d.Bytes(index), 3)) },
		"index without its last": func(d *kvtest.Dump) {
			d.Replace(index, bytes.Join(bytes.SplitAfter(d.Bytes(index), []byte("\n"))[:2], nil))
		},
		"index of another secret": func(d *kvtest.Dump) { d.Replace(index, swap(d.Bytes(index), `"b"`, `"bb"`)) },
		"index out of order":      func(d *kvtest.Dump) { d.Replace(index, swap(d.Bytes(index), `"b"`, `"0"`)) },
		"data of no version": func(d *kvtest.Dump) {
			d.Replace(lines, swap(d.Bytes(lines), `"versions":[{"version":1`, `"versions":[{"version":2`))
		},
		"a live version lacks data": func(d *kvtest.Dump) {
			d.Replace(lines, swap(d.Bytes(lines), `"deletion_time":"2`, `"deletion_time":"","x":"2`))
		},
		"another path":     func(d *kvtest.Dump) { d.Replace(lines, swap(d.Bytes(lines), `"path":"b"`, `"path":"d"`)) },
		"rows miscounted":  func(d *kvtest.Dump) { d.Edit(lines, func(i *snapshot.StreamInfo) { i.Rows++ }) },
		"index miscounted": func(d *kvtest.Dump) { d.Edit(index, func(i *snapshot.StreamInfo) { i.Rows-- }) },
		"versions miscounted": func(d *kvtest.Dump) {
			d.Edit(lines, func(i *snapshot.StreamInfo) {
				i.Facts = bytes.Replace(i.Facts, []byte(`"versions":3`), []byte(`"versions":4`), 1)
			})
		},
		"facts of another mount": func(d *kvtest.Dump) {
			d.Edit(lines, func(i *snapshot.StreamInfo) {
				i.Facts = bytes.Replace(i.Facts, []byte(`"mount":"`), []byte(`"mount":"x`), 1)
			})
		},
		"data that is no object": func(d *kvtest.Dump) { d.Replace(lines, swap(d.Bytes(lines), `{"value":"bb"}`, `["value","bb"]`)) },
		"not JSON":               func(d *kvtest.Dump) { d.Replace(kv.MountsDocument, []byte("{")) },
	} {
		d := original()
		spoil(d)
		if _, err := (Checker{}).Check(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) && !errors.Is(err, kv.ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestDiffTellsNamesAndVersionsAndNoValues(t *testing.T) {
	s := shared.Get(t)
	m, still, v1 := mount(t, s, 2), mount(t, s, 2), mount(t, s, 1)
	for _, name := range []string{"gone", "grown", "wiped", "kept", "set"} {
		put(t, s, m, name, map[string]any{"value": "hunter2"})
	}
	put(t, s, still, "x", map[string]any{"n": 1})
	put(t, s, v1, "old", map[string]any{"value": "hunter2"})
	a := dump(t, s, m, still, v1)
	s.OK(t, http.MethodDelete, m.Path+"/metadata/gone", nil)
	put(t, s, m, "grown", map[string]any{"value": "hunter3"})
	put(t, s, m, "grown", map[string]any{"value": "hunter4"})
	s.OK(t, http.MethodPost, m.Path+"/destroy/wiped", map[string]any{"versions": []int{1}})
	s.OK(t, http.MethodPost, m.Path+"/metadata/set", map[string]any{"max_versions": 3})
	put(t, s, m, "new/one", map[string]any{"value": "hunter2"})
	put(t, s, v1, "old", map[string]any{"value": "hunter5"})
	b := dump(t, s, m, still, v1)
	read := 0
	for _, d := range []*kvtest.Dump{a, b} {
		d.Wrap = func(stream string, r io.Reader) io.Reader {
			if strings.Contains(stream, still.Path) {
				read++
			}
			return r
		}
	}
	got, err := Diff(t.Context(), a, b)
	must(t, err)
	var secrets []restore.Change
	for _, c := range got {
		if !strings.HasPrefix(c.Name, "documents/") {
			secrets = append(secrets, c)
		}
		if strings.Contains(c.Detail+c.Name, "hunter") {
			t.Errorf("a value: %+v", c)
		}
	}
	want := map[string]restore.Change{}
	for _, c := range []restore.Change{
		{Name: m.Path + "/gone", Change: "removed", Detail: "version 1; 1 versions, 0 deleted, 0 destroyed"},
		{Name: m.Path + "/grown", Change: "changed", Detail: "version 1 to 3"},
		{Name: m.Path + "/new/one", Change: "added", Detail: "version 1; 1 versions, 0 deleted, 0 destroyed"},
		{Name: m.Path + "/set", Change: "changed", Detail: "settings or custom metadata"},
		{Name: m.Path + "/wiped", Change: "changed", Detail: "version 1 destroyed"},
		{Name: v1.Path + "/old", Change: "changed", Detail: "data"},
	} {
		want[c.Name] = c
	}
	found := map[string]restore.Change{}
	for _, c := range secrets {
		found[c.Name] = c
	}
	if diff := cmp.Diff(want, found); diff != "" || len(secrets) != len(want) {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if read > 0 {
		t.Error("a mount in which nothing changed was read")
	}
	gone := dump(t, s, still)
	changes, err := Diff(t.Context(), a, gone)
	must(t, err)
	var removed int
	for _, c := range changes {
		if c.Change == "removed" && (strings.HasPrefix(c.Name, m.Path+"/") || strings.HasPrefix(c.Name, v1.Path+"/")) {
			removed++
		}
	}
	if removed != 6 {
		t.Errorf("%d removed of a mount that is not dumped any more", removed)
	}
}
