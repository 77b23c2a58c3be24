package kv

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultkv"
	"holdfast/snapshot/source/vaultapi"
)

// through puts a proxy before a server. It cuts the connection of each request that cut says, before the
// server hears of it or, if late, after the server has done it.
func through(t testing.TB, s *vaultapi.Server, late bool, cut func(*http.Request) bool) *vaultapi.Server {
	t.Helper()
	upstream, err := url.Parse(s.Addresses[0])
	must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // of requests that are cancelled on purpose
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !cut(r) {
			proxy.ServeHTTP(w, r)
			return
		}
		if late {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
		}
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(front.Close)
	return &vaultapi.Server{Addresses: []string{front.URL}, Auth: s.Auth, LeaderWait: time.Second}
}

// history makes secrets of every kind in from, and other ones of the same names in to.
func history(t testing.TB, s *fixtures.VaultServer, from, to vaultkv.Mount) {
	t.Helper()
	for i := range 40 {
		for n := range 1 + i%4 {
			put(t, s, from, fmt.Sprintf("dir%d/s%02d", i%3, i), map[string]any{"n": n})
		}
		if i%2 == 0 {
			put(t, s, to, fmt.Sprintf("dir%d/s%02d", i%3, i), map[string]any{"mine": i})
			put(t, s, to, fmt.Sprintf("dir%d/s%02d", i%3, i), map[string]any{"mine": -i})
			if to.Version == 2 {
				s.OK(t, http.MethodPost, fmt.Sprintf("%s/metadata/dir%d/s%02d", to.Path, i%3, i), map[string]any{"custom_metadata": map[string]string{"mine": "yes"}})
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
