package vaultapi

import (
	"strings"
	"testing"
)

func TestAddressWithAPasswordIsRefusedUnseen(t *testing.T) {
	for _, address := range []string{"https://user:hunter2@vault:8200", "https://vault:8200?token=hunter2", "https://vault:82 00/hunter2", "ldap://vault"} {
		s := &Server{Addresses: []string{address}, Auth: Auth{Method: MethodToken, Token: fixed("t")}}
		_, err := s.Login(t.Context())
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestMessagesOfTheServerAreMadeFitForALog(t *testing.T) {
	got := messages([]string{"2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n", strings.Repeat("x", 1000), "a\x1b[31mb"})
	if len(got) != 4 || got[0] != "permission denied" || got[1] != "invalid token" || len(got[2]) > maxMessage+3 || got[3] != "a [31mb" {
		t.Errorf("messages %q", got)
	}
}

func TestProductsAreToldApart(t *testing.T) {
	for _, c := range []struct {
		version    string
		enterprise bool
		want       string
	}{{"1.21.0", true, "Vault"}, {"1.14.0", false, "Vault"}, {"2.4.1", false, "OpenBao"}, {"2.0.0", true, "Vault"}, {"", false, "Vault"}} {
		if got := product(c.version, c.enterprise); got != c.want {
			t.Errorf("version %q: %s", c.version, got)
		}
	}
}
