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
	behind, err := url.Parse(to.Address)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var made atomic.Bool
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasSuffix(r.Request.URL.Path, "sys/generate-root/update") {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte(`"complete":true`)) {
			made.Store(true)
		}
		return err
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if made.Load() {
			cancel()
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	target := &Target{Shares: sharesOf(from.VaultServer, 0, 1, 2), Server: &vaultapi.Server{
		Addresses: []string{front.URL}, Auth: vaultapi.Auth{Method: vaultapi.MethodToken, Token: func() (string, error) { return to.RootToken, nil }},
	}}
	if _, err := target.Load(ctx, from.dump); !errors.Is(err, ErrReplaced) || !errors.Is(err, context.Canceled) {
		t.Errorf("Load: %v", err)
	}
	if !made.Load() {
		t.Error("no root token was made")
	}
	nowOwnedBy(to, from.VaultServer)
	noRootTokenWasLeft(t, from.VaultServer, to)
}
