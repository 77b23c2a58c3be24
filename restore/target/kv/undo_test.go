package kv

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/vaultkv"
	"holdfast/restore"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/vaultapi"
)

func TestCutConnectionLeavesTheTargetAsItWas(t *testing.T) {
	s := shared.Get(t)
	for _, version := range []int{1, 2} {
		from, to := mount(t, s, version), mount(t, s, version)
		history(t, s, from, to)
		d, before := dump(t, s, from), content(t, s, to)
		for _, late := range []bool{false, true} {
			x := target(t, s, false, to)
			var hits atomic.Int64
			x.Server = through(t, x.Server, late, func(r *http.Request) bool {
				return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "dir1/s31") && hits.Add(1) > 0
			})
			x.Mount, x.Replace = to.Path, true
			_, err := x.Load(t.Context(), d)
			if late && err == nil && version == 1 {
				t.Error("a write without an answer was believed")
			}
			if !late && !errors.Is(err, vaultapi.ErrUnreachable) || late && err == nil {
				t.Errorf("KV v%d, late %v: %v", version, late, err)
			}
			if err != nil && strings.Contains(err.Error(), "stay at the server") {
				t.Errorf("KV v%d, late %v: %v", version, late, err)
			}
			if hits.Load() == 0 {
				t.Error("nothing was cut")
			}
			if diff := cmp.Diff(before, content(t, s, to)); diff != "" {
				t.Errorf("KV v%d, late %v: it is not as it was (-before +after):\n%.3000s", version, late, diff)
			}
		}
	}
}

func TestCancelledLoadIsTakenBack(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	history(t, s, from, to)
	d, before := dump(t, s, from), content(t, s, to)
	x := target(t, s, false, to)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writes atomic.Int64
	x.Server = through(t, x.Server, false, func(r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/data/") && writes.Add(1) == 30 {
			cancel()
		}
		return false
	})
	x.Mount, x.Replace = to.Path, true
	if _, err := x.Load(ctx, d); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "stay at the server") {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(before, content(t, s, to)); diff != "" {
		t.Errorf("it is not as it was (-before +after):\n%.2000s", diff)
	}
}

// TestSecretOfSomebodyElseSurvivesAFailedLoad has another client make one of the secrets right before the load does.
func TestSecretOfSomebodyElseSurvivesAFailedLoad(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	history(t, s, from, mount(t, s, 2))
	d := dump(t, s, from)
	x := target(t, s, false, to)
	var once sync.Once
	x.Server = through(t, x.Server, false, func(r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/data/dir0/s39") {
			once.Do(func() { put(t, s, to, "dir0/s39", map[string]any{"theirs": true}) })
		}
		return false
	})
	x.Mount = to.Path
	if _, err := x.Load(t.Context(), d); !errors.Is(err, ErrRaced) {
		t.Errorf("%v", err)
	}
	left := content(t, s, to)
	if len(left) != 1 || left["dir0/s39"].Versions[1].Data != `{"theirs":true}` {
		t.Errorf("left are %v", left)
	}
}

func TestWriteWhoseAnswerWasLostCounts(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	history(t, s, from, to)
	d := dump(t, s, from)
	x := target(t, s, false, to)
	seen := map[string]bool{}
	var n atomic.Int64
	lock := make(chan struct{}, 1)
	x.Server = through(t, x.Server, true, func(r *http.Request) bool {
		lock <- struct{}{}
		defer func() { <-lock }()
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/data/") || seen[r.URL.Path] {
			return false
		}
		seen[r.URL.Path] = true
		return n.Add(1)%8 == 0
	})
	x.Server.LeaderWait = 10 * time.Second
	x.Mount, x.Replace = to.Path, true
	if _, err := x.Load(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(content(t, s, from), content(t, s, to)); diff != "" {
		t.Errorf("(-want +got):\n%.2000s", diff)
	}
}

func TestServerThatStaysAwayIsNamedInTheError(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	history(t, s, from, to)
	d := dump(t, s, from)
	x := target(t, s, false, to)
	var writes atomic.Int64
	x.Server = through(t, x.Server, false, func(r *http.Request) bool {
		return r.Method == http.MethodPut && writes.Add(1) > 20 || writes.Load() > 20
	})
	x.Server.LeaderWait = 200 * time.Millisecond
	x.Mount, x.Replace = to.Path, true
	if _, err := x.Load(t.Context(), d); err == nil || !strings.Contains(err.Error(), "changes stay at the server") {
		t.Errorf("%v", err)
	}
}

func TestMountThatWasMadeGoesWithAFailedLoad(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), vaultkv.Mount{Path: "made/for/a-test", Version: 2}
	history(t, s, from, mount(t, s, 2))
	d := dump(t, s, from)
	x := target(t, s, true, to)
	fails := true
	x.Server = through(t, x.Server, false, func(r *http.Request) bool {
		return fails && r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/data/dir0/s39")
	})
	x.Mount = to.Path
	if _, err := x.Load(t.Context(), d); err == nil {
		t.Fatal("no error")
	}
	if status, _ := s.API(t, http.MethodGet, "sys/mounts/"+to.Path, nil); status == http.StatusOK {
		t.Error("the mount is left")
	}
	fails = false
	load(t, x, d)
	if diff := cmp.Diff(content(t, s, from), content(t, s, to)); diff != "" {
		t.Errorf("(-want +got):\n%.2000s", diff)
	}
}

func TestReplacingMoreThanCanBeKeptIsRefused(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	history(t, s, from, to)
	d, before := dump(t, s, from), content(t, s, to)
	x := target(t, s, false, to)
	x.Mount, x.Replace = to.Path, true
	r, err := x.open(t.Context(), d)
	must(t, err)
	defer r.close(t.Context())
	u, err := newUndo(r)
	must(t, err)
	u.limit = 1500
	if _, err = r.write(t.Context(), u); !errors.Is(err, ErrTooMuch) {
		t.Errorf("%v", err)
	}
	must(t, u.back(t.Context()))
	if diff := cmp.Diff(before, content(t, s, to)); diff != "" {
		t.Errorf("it is not as it was (-before +after):\n%.2000s", diff)
	}
}

// TestSecretThatReadsBackDifferentlyIsNoSuccess has a proxy between that changes one value on its way.
func TestSecretThatReadsBackDifferentlyIsNoSuccess(t *testing.T) {
	s := shared.Get(t)
	for _, version := range []int{1, 2} {
		from, to := mount(t, s, version), mount(t, s, version)
		history(t, s, from, to)
		d, before := dump(t, s, from), content(t, s, to)
		x := target(t, s, false, to)
		x.Server = through(t, x.Server, false, func(r *http.Request) bool {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "dir0/s03") {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return true
				}
				r.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), `"n":3`, `"n":9`, 1)))
			}
			return false
		})
		x.Mount, x.Replace = to.Path, true
		if _, err := x.Load(t.Context(), d); !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "dir0/s03") {
			t.Errorf("KV v%d: %v", version, err)
		}
		if diff := cmp.Diff(before, content(t, s, to)); diff != "" {
			t.Errorf("KV v%d: it is not as it was (-before +after):\n%.2000s", version, diff)
		}
	}
}

// TestDamageIsFoundBeforeAnythingIsWritten breaks the stream at its end, as a stored dump does if the
// digest is wrong.
func TestDamageIsFoundBeforeAnythingIsWritten(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	history(t, s, from, to)
	d, before := dump(t, s, from), content(t, s, to)
	broken := errors.New("the digest is wrong")
	d.Wrap = func(stream string, r io.Reader) io.Reader {
		if stream == kv.LinesStream(from.Path) {
			return io.MultiReader(r, failing{broken})
		}
		return r
	}
	x := target(t, s, false, to)
	var writes atomic.Int64
	x.Server = through(t, x.Server, false, func(r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, to.Path) {
			writes.Add(1)
		}
		return false
	})
	x.Mount, x.Replace = to.Path, true
	if _, err := x.Load(t.Context(), d); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(before, content(t, s, to)); diff != "" || writes.Load() > 0 {
		t.Errorf("%d writes; %s", writes.Load(), diff)
	}
}

var _ restore.Target = (*Target)(nil)
var _ restore.Surveyor = (*Target)(nil)
var _ restore.Checker = Checker{}
var _ restore.Differ = Diff
