package raft

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/fixtures"
	"holdfast/snapshot/source/vaultapi"
)

// A root token that was made to read the server back has no end of its own: it is revoked even if whoever
// restores goes away right after it was made.
func TestARestoreThatIsCancelledLeavesNoRootToken(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server, made := endingAfter(t, to, cancel, func(path string, body []byte) bool {
		return strings.HasSuffix(path, "sys/generate-root/update") && bytes.Contains(body, []byte(`"complete":true`))
	})
	target := &Target{Shares: sharesOf(from.VaultServer, 0, 1, 2), Server: server}
	if _, err := target.Load(ctx, from.dump); !errors.Is(err, ErrReplaced) || !errors.Is(err, context.Canceled) {
		t.Errorf("Load: %v", err)
	}
	if !made.Load() {
		t.Error("no root token was made")
	}
	nowOwnedBy(to, from.VaultServer)
	noRootTokenWasLeft(t, from.VaultServer, to)
}

// endingAfter is v as its root by way of a proxy. It ends something at the first request after an answer that is
// the one, and tells whether there was one.
func endingAfter(t *testing.T, v *fixtures.VaultServer, end func(), is func(path string, body []byte) bool) (*vaultapi.Server, *atomic.Bool) {
	t.Helper()
	behind, err := url.Parse(v.Address)
	must(t, err)
	var answered atomic.Bool
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if is(r.Request.URL.Path, body) {
			answered.Store(true)
		}
		return err
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answered.Load() {
			end()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	server := client(v)
	server.Addresses = []string{front.URL}
	return server, &answered
}
