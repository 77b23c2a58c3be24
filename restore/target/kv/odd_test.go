package kv

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/kv/kvtest"
)

func TestOddNamesComeBack(t *testing.T) {
	s := shared.Get(t)
	for _, version := range []int{1, 2} {
		from, to := mount(t, s, version), mount(t, s, version)
		for _, name := range []string{" lead", "trail ", "a,b", "a, b", ",", "a%2Fb", "a?b", "a#b", "a+b", `a\b`, `a"b`, "é", "e\u0301", "a;b=c&d", "*", "+",
			"{{identity}}", "d /x ", "data/x", "metadata", "config", "delete/x"} {
			put(t, s, from, name, map[string]any{"name": name})
		}
		x := target(t, s, false, to)
		x.Mount = to.Path
		load(t, x, dump(t, s, from))
		if diff := cmp.Diff(content(t, s, from), content(t, s, to)); diff != "" {
			t.Errorf("KV v%d (-want +got):\n%.2000s", version, diff)
		}
	}
}

// TestVersionThatTheServerEndedEarlierStaysDeleted has a version that by the server's clock was over when it was
// read, and by ours is not yet.
func TestVersionThatTheServerEndedEarlierStaysDeleted(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	s.OK(t, http.MethodPost, from.Path+"/metadata/x", map[string]any{"delete_version_after": "1h"})
	put(t, s, from, "x", map[string]any{"n": 1})
	put(t, s, from, "x", map[string]any{"n": 2})
	src := &kv.Source{Mounts: []string{from.Path}, Server: server(t, s, kv.Policy+sourceRights(from))}
	src.Server = through(t, src.Server, false, func(r *http.Request) bool {
		if r.URL.Query().Get("version") == "1" {
			r.URL.Path += "-is-over"
		}
		return false
	})
	d := &kvtest.Dump{}
	must(t, src.Dump(t.Context(), d))
	x := target(t, s, false, to)
	x.Mount = to.Path
	load(t, x, d)
	if status, _ := s.API(t, http.MethodGet, to.Path+"/data/x?version=1", nil); status != http.StatusNotFound {
		t.Errorf("version 1 is there: %d", status)
	}
	if status, _ := s.API(t, http.MethodGet, to.Path+"/data/x?version=2", nil); status != http.StatusOK {
		t.Errorf("version 2 is not there: %d", status)
	}
}

// TestReplaceLeavesAloneWhatIsTheSame counts removals: a secret that need not be away for a moment is not.
func TestReplaceLeavesAloneWhatIsTheSame(t *testing.T) {
	s := shared.Get(t)
	for _, version := range []int{1, 2} {
		m := mount(t, s, version)
		for _, name := range []string{"same", "other", "settings"} {
			put(t, s, m, name, map[string]any{"value": name})
		}
		d, want := dump(t, s, m), content(t, s, m)
		put(t, s, m, "other", map[string]any{"value": "changed"})
		removals := int64(1)
		if version == 2 {
			s.OK(t, http.MethodPost, m.Path+"/metadata/settings", map[string]any{"max_versions": 7})
			removals = 2
		}
		x := target(t, s, false, m)
		var removed atomic.Int64
		x.Server = through(t, x.Server, false, func(r *http.Request) bool {
			if r.Method == http.MethodDelete {
				removed.Add(1)
			}
			return false
		})
		x.Replace = true
		loaded := load(t, x, d)
		if removed.Load() != removals || loaded.Streams[0].Rows != 3 {
			t.Errorf("KV v%d: %d were removed, %+v", version, removed.Load(), loaded.Streams)
		}
		if diff := cmp.Diff(want, content(t, s, m)); diff != "" {
			t.Errorf("KV v%d (-want +got):\n%.2000s", version, diff)
		}
		if notes := strings.Join(loaded.Notes, "\n"); version == 1 && !strings.Contains(notes, "2 secrets are there as they should be and were left alone") {
			t.Errorf("%s", notes)
		}
	}
}

// TestSettingsOfSomebodyElseSurviveAFailedLoad has another client write settings and no version where the load was
// about to write its own, of which the answer is lost.
func TestSettingsOfSomebodyElseSurviveAFailedLoad(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	s.OK(t, http.MethodPost, from.Path+"/metadata/x", map[string]any{"delete_version_after": "1h"})
	put(t, s, from, "x", map[string]any{"n": 1})
	d := dump(t, s, from)
	x := target(t, s, false, to)
	var once sync.Once
	x.Server = through(t, x.Server, false, func(r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/metadata/x") {
			return false
		}
		once.Do(func() {
			s.OK(t, http.MethodPost, to.Path+"/metadata/x", map[string]any{"custom_metadata": map[string]string{"owner": "theirs"}})
		})
		return true
	})
	x.Mount = to.Path
	if _, err := x.Load(t.Context(), d); err == nil {
		t.Fatal("no error")
	}
	if status, _ := s.API(t, http.MethodGet, to.Path+"/metadata/x", nil); status != http.StatusOK {
		t.Errorf("theirs is gone: %d", status)
	}
}
