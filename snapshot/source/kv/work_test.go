package kv

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultkv"
	"holdfast/snapshot/source/kv/kvtest"
	"holdfast/snapshot/source/vaultapi"
)

// through lets see hear of every request before the server does. see may cause what it likes there.
func through(t testing.TB, s *vaultapi.Server, see func(*http.Request)) {
	t.Helper()
	upstream, err := url.Parse(s.Addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // of requests that are cancelled on purpose
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		see(r)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.Addresses = []string{front.URL}
}

func TestSecretsAreWholeWhileOthersWrite(t *testing.T) {
	s := fixtures.Vault(t)
	sample := vaultkv.Fill(t, s, 400)
	var v2, v1, names []string
	for _, m := range sample.Mounts {
		names = append(names, m.Path)
		if m.Version == 2 {
			v2 = append(v2, m.Path)
		} else {
			v1 = append(v1, m.Path)
		}
	}
	writer := sample.StartWriter(3)
	d := &kvtest.Dump{}
	err := source(t, s, policyFor(v2, v1), names...).Dump(t.Context(), d)
	written, writeErr := writer.Stop()
	if err != nil || writeErr != nil || written == 0 {
		t.Fatalf("%v; %d written, %v", err, written, writeErr)
	}
	found := 0
	for _, m := range sample.Mounts {
		for path, secret := range secrets(t, d, m.Path) {
			if want, ok := sample.Expected()[m.Path+"/"+path]; ok {
				found++
				if m.Version == 2 {
					st, err := secret.State()
					if err != nil || int(st.Current) != want.Current || len(st.Versions) != len(want.Versions) {
						t.Errorf("%s/%s: %+v, %v", m.Path, path, st, err)
					}
				}
			}
		}
	}
	if found != 400 {
		t.Errorf("%d of 400 secrets were dumped while %d were written", found, written)
	}
}

// TestSecretThatChangesWhileItIsReadIsReadAgain writes, and so prunes, between the metadata and the versions.
func TestSecretThatChangesWhileItIsReadIsReadAgain(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	s.OK(t, http.MethodPost, m+"/metadata/hot", map[string]any{"max_versions": 2})
	for i := range 3 {
		put(t, s, m, "hot", map[string]any{"n": i})
	}
	for _, c := range []struct {
		times int32
		want  error
	}{{3, nil}, {1000, ErrChanged}} {
		src := source(t, s, policyFor([]string{m}, nil), m)
		var left atomic.Int32
		left.Store(c.times)
		through(t, src.Server, func(r *http.Request) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/data/hot") && left.Add(-1) >= 0 {
				put(t, s, m, "hot", map[string]any{"n": left.Load()})
			}
		})
		d := &kvtest.Dump{}
		err := src.Dump(t.Context(), d)
		if !errors.Is(err, c.want) {
			t.Errorf("changed %d times: %v", c.times, err)
		}
		if err == nil {
			st, err := secrets(t, d, m)["hot"].State()
			if err != nil || len(st.Versions) != 2 || !st.Versions[0].Live() || !st.Versions[1].Live() {
				t.Errorf("%+v, %v", st, err)
			}
		}
	}
}

// TestSecretThatIsMadeAnewWhileItIsReadIsOneOrTheOther puts another secret of the same name and number in place.
func TestSecretThatIsMadeAnewWhileItIsReadIsOneOrTheOther(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	put(t, s, m, "x", map[string]any{"owner": "old"})
	s.OK(t, http.MethodPost, m+"/metadata/x", map[string]any{"custom_metadata": map[string]string{"owner": "old"}})
	src := source(t, s, policyFor([]string{m}, nil), m)
	var once sync.Once
	through(t, src.Server, func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/data/x") {
			once.Do(func() {
				s.OK(t, http.MethodDelete, m+"/metadata/x", nil)
				put(t, s, m, "x", map[string]any{"owner": "new"})
			})
		}
	})
	x := secrets(t, dump(t, src), m)["x"]
	st, err := x.State()
	if err != nil || len(st.Custom) > 0 || string(st.Versions[0].Data) != `{"owner":"new"}` {
		t.Errorf("%s %s %v", x.Metadata, x.Versions[0].Data, err)
	}
}

func TestSecretThatIsDeletedDuringTheWalkIsNoError(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	for _, name := range []string{"a", "b", "folder/c"} {
		put(t, s, m, name, map[string]any{"n": 1})
	}
	src := source(t, s, policyFor([]string{m}, nil), m)
	var once sync.Once
	through(t, src.Server, func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/metadata/b") {
			once.Do(func() {
				s.OK(t, http.MethodDelete, m+"/metadata/b", nil)
				s.OK(t, http.MethodDelete, m+"/metadata/folder/c", nil)
			})
		}
	})
	d := dump(t, src)
	all := secrets(t, d, m)
	if facts, _ := Mounts(d.Streams()); all["a"] == nil || all["b"] != nil || facts[0].Gone == 0 {
		t.Errorf("%v, %+v", paths(all), facts[0])
	}
}

// TestSecretThatIsListedAndDeniedExistenceIsAnError has a proxy between that hides one secret, as a broken one might.
func TestSecretThatIsListedAndDeniedExistenceIsAnError(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	put(t, s, m, "a", map[string]any{"n": 1})
	put(t, s, m, "b", map[string]any{"n": 1})
	src := source(t, s, policyFor([]string{m}, nil), m)
	through(t, src.Server, func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "/metadata/b", "/metadata/none", 1) })
	if err := src.Dump(t.Context(), &kvtest.Dump{}); !errors.Is(err, ErrHidden) {
		t.Errorf("%v", err)
	}
}

func TestRequestsKeepToWorkersAndRate(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	for i := range 30 {
		put(t, s, m, fmt.Sprintf("d%d/s%d", i%5, i), map[string]any{"n": i})
	}
	for _, c := range []struct {
		workers int
		rate    float64
		most    int64
	}{{1, 0, 1}, {3, 0, 3}, {8, 200, 8}} {
		src := source(t, s, policyFor([]string{m}, nil), m)
		src.Workers, src.Server.Rate = c.workers, c.rate
		var requests, now, peak atomic.Int64
		upstream, err := url.Parse(s.Address)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(upstream)
		proxy.ErrorLog = log.New(io.Discard, "", 0) // of requests that are cancelled on purpose
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			n := now.Add(1)
			defer now.Add(-1)
			for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
			}
			time.Sleep(2 * time.Millisecond)
			proxy.ServeHTTP(w, r)
		}))
		src.Server.Addresses = []string{front.URL}
		began := time.Now()
		d := dump(t, src)
		took := time.Since(began)
		front.Close()
		if len(secrets(t, d, m)) != 30 || peak.Load() > c.most || c.workers > 1 && c.rate == 0 && peak.Load() < 2 {
			t.Errorf("%+v: %d secrets, %d requests, %d at once", c, len(secrets(t, d, m)), requests.Load(), peak.Load())
		}
		if c.rate > 0 && took < time.Duration(float64(requests.Load()-10)/c.rate*float64(time.Second)) {
			t.Errorf("%d requests in %v, at most %v a second were asked for", requests.Load(), took, c.rate)
		}
	}
}
