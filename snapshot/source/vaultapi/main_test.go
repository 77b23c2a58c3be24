package vaultapi

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"holdfast/fixtures"
)

var shared fixtures.SharedVault

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// fixed is a secret that is known already.
func fixed(text string) Secret { return func() (string, error) { return text, nil } }

// rooted is server with a root login, in no mood to wait.
func rooted(server *fixtures.VaultServer) *Server {
	return &Server{
		Addresses: []string{server.Address}, TLS: TLS{CAFile: server.CAFile},
		Auth: Auth{Method: MethodToken, Token: fixed(server.RootToken)}, LeaderWait: 10 * time.Second,
	}
}

func login(t *testing.T, s *Server) *Session {
	t.Helper()
	sess, err := s.Login(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, sess.Close(t.Context())) })
	return sess
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants fails unless err matches want and says all of texts.
func wants(t *testing.T, err, want error, texts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want an error that matches %q", err, want)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
}
