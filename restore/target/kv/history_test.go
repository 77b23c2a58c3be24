package kv

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultkv"
)

// act does one random thing to one of a few secrets.
func act(rt *rapid.T, t testing.TB, s *fixtures.VaultServer, m vaultkv.Mount) {
	path := rapid.SampledFrom([]string{"a", "a/b", "c d"}).Draw(rt, "path")
	at := map[string]string{"a": "a", "a/b": "a/b", "c d": "c%20d"}[path]
	versions := map[string]any{"versions": rapid.SliceOfN(rapid.IntRange(1, 14), 1, 3).Draw(rt, "versions")}
	switch rapid.SampledFrom([]string{"write", "write", "writes", "delete", "destroy", "undelete", "settings", "forget", "rollback"}).Draw(rt, "what") {
	case "write":
		put(t, s, m, path, map[string]any{"v": rapid.String().Draw(rt, "value"), "n": rapid.Float64Range(-1e9, 1e9).Draw(rt, "n")})
	case "writes":
		for i := range rapid.IntRange(2, 8).Draw(rt, "times") {
			put(t, s, m, path, map[string]any{"i": i})
		}
	case "delete":
		s.OK(t, http.MethodPost, m.Path+"/delete/"+at, versions)
	case "destroy":
		s.OK(t, http.MethodPost, m.Path+"/destroy/"+at, versions)
	case "undelete":
		s.OK(t, http.MethodPost, m.Path+"/undelete/"+at, versions)
	case "rollback":
		s.OK(t, http.MethodDelete, m.Path+"/data/"+at, nil)
	case "settings":
		s.OK(t, http.MethodPost, m.Path+"/metadata/"+at, map[string]any{
			"max_versions":         rapid.IntRange(0, 6).Draw(rt, "max"),
			"delete_version_after": fmt.Sprintf("%dh", rapid.IntRange(0, 2).Draw(rt, "after")),
			"custom_metadata":      rapid.MapOfN(rapid.StringMatching(`[a-z]{1,5}`), rapid.StringMatching(`[a-zé ]{1,9}`), 0, 3).Draw(rt, "custom"),
		})
	case "forget":
		s.OK(t, http.MethodDelete, m.Path+"/metadata/"+at, nil)
	}
}

func TestAnyHistoryComesBackAsItWas(t *testing.T) {
	s := shared.Get(t)
	from := mount(t, s, 2)
	src, dst := dumper(t, s, from), target(t, s, false, vaultkv.Mount{Path: "+", Version: 2})
	rapid.Check(t, func(rt *rapid.T) {
		for _, at := range []string{"a", "a/b", "c%20d"} {
			s.OK(t, http.MethodDelete, from.Path+"/metadata/"+at, nil)
		}
		put(t, s, from, "always", map[string]any{"n": 1})
		for range rapid.IntRange(1, 15).Draw(rt, "acts") {
			act(rt, t, s, from)
		}
		to := mount(t, s, 2)
		defer s.OK(t, http.MethodDelete, "sys/mounts/"+to.Path, nil)
		dst.Mount = to.Path
		load(t, dst, src())
		want, got := content(t, s, from), content(t, s, to)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestMountThatKeepsMoreHasNoneOfWhatWasPruned shows that numbers which the snapshot has not hold nothing at a mount
// that would keep them.
func TestMountThatKeepsMoreHasNoneOfWhatWasPruned(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	for i := range 14 {
		put(t, s, from, "x", map[string]any{"i": i})
	}
	s.OK(t, http.MethodPost, to.Path+"/config", map[string]any{"max_versions": 50, "cas_required": true})
	x := target(t, s, false, to)
	x.Mount = to.Path
	load(t, x, dump(t, s, from))
	want, got := content(t, s, from)["x"], content(t, s, to)["x"]
	for n := 1; n <= 4; n++ {
		want.Versions[n] = vaultkv.Version{Destroyed: true}
	}
	want.Oldest = got.Oldest
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestVersionsExpireWhenTheyWereTo(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	s.OK(t, http.MethodPost, from.Path+"/metadata/soon", map[string]any{"delete_version_after": "2h"})
	put(t, s, from, "soon", map[string]any{"n": 1})
	s.OK(t, http.MethodPost, from.Path+"/metadata/soon", map[string]any{"delete_version_after": "0s"})
	put(t, s, from, "soon", map[string]any{"n": 2})
	s.OK(t, http.MethodPost, from.Path+"/metadata/soon", map[string]any{"delete_version_after": "48h"})
	put(t, s, from, "soon", map[string]any{"n": 3})
	s.OK(t, http.MethodPost, from.Path+"/metadata/past", map[string]any{"delete_version_after": "2s"})
	put(t, s, from, "past", map[string]any{"n": 1})
	d := dump(t, s, from)
	time.Sleep(2100 * time.Millisecond) // what was to expire has
	x := target(t, s, false, to)
	x.Mount = to.Path
	load(t, x, d)
	expiries := func(m vaultkv.Mount) []time.Time {
		var all []time.Time
		answer := s.OK(t, http.MethodGet, m.Path+"/metadata/soon", nil)
		versions := answer["data"].(map[string]any)["versions"].(map[string]any)
		for _, n := range []string{"1", "2", "3"} {
			at, _ := time.Parse(time.RFC3339Nano, versions[n].(map[string]any)["deletion_time"].(string))
			all = append(all, at)
		}
		return all
	}
	want, got := expiries(from), expiries(to)
	for i := range want {
		if want[i].IsZero() != got[i].IsZero() || want[i].Sub(got[i]).Abs() > 2*time.Second {
			t.Errorf("version %d expires %v instead of %v", i+1, got[i], want[i])
		}
	}
	if diff := cmp.Diff(content(t, s, from), content(t, s, to)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if past := content(t, s, to)["past"]; !past.Versions[1].Deleted {
		t.Errorf("what had expired lives: %+v", past)
	}
}
