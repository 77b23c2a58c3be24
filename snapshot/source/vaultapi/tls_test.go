package vaultapi

import (
	"strings"
	"testing"
	"time"

	"holdfast/fixtures"
)

func TestServerIsTrustedByItsAuthorityAlone(t *testing.T) {
	server := fixtures.VaultWith(t, fixtures.VaultOptions{TLS: true})
	login(t, rooted(server))

	for name, change := range map[string]func(*Server){
		"no authority":   func(s *Server) { s.TLS.CAFile = "" },
		"another name":   func(s *Server) { s.TLS.ServerName = "vault.example" },
		"without TLS":    func(s *Server) { s.Addresses[0] = strings.Replace(s.Addresses[0], "https:", "http:", 1) },
		"a missing file": func(s *Server) { s.TLS.CAFile += ".missing" },
		"half a pair":    func(s *Server) { s.TLS.CertFile = server.CAFile },
	} {
		s := rooted(server)
		change(s)
		started := time.Now()
		if _, err := s.Login(t.Context()); err == nil || time.Since(started) > 5*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(started))
		}
	}
}

func TestClientCertificateIsPresented(t *testing.T) {
	server := fixtures.VaultWith(t, fixtures.VaultOptions{ClientTLS: true})
	s := rooted(server)
	s.TLS.CertFile, s.TLS.KeyFile = server.CertFile, server.KeyFile
	s.TLS.ServerName = "localhost"
	login(t, s)

	s = rooted(server)
	_, err := s.Login(t.Context())
	wants(t, err, ErrUnreachable, "certificate")
}
