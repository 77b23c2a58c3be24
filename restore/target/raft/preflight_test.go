package raft

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"holdfast/fixtures"
	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/vaultapi"
)

func TestPreflightNamesEverythingAtOnce(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.Vault(t)
	to.MountKV(t, 2)
	policy := strings.Replace(Policy, `"sys/storage/raft/snapshot-force"`, `"sys/storage/raft/other"`, 1)
	target := &Target{Server: as(to, to.Token(t, policy)), Shares: sharesOf(from.VaultServer, 0, 1)}
	d := &altered{Dump: from.dump, facts: func(f *raft.Facts) { f.Version = "99.0.0" }}
	err := target.Preflight(t.Context(), d)
	for _, want := range []error{barrier.ErrTooFew, ErrDowngrade, ErrOtherSplit, vaultapi.ErrDenied, restore.ErrOccupied} {
		if !errors.Is(err, want) {
			t.Errorf("the problems do not name %q", want)
		}
	}
	var p restore.Problems
	if !errors.As(err, &p) || len(p) != 5 {
		t.Errorf("%d problems: %v", len(p), err)
	}
}

func TestPreflightOfAServerThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	from := source(t)
	fresh := fixtures.VaultWith(t, fixtures.VaultOptions{NoInit: true})
	sealed := fixtures.Vault(t)
	sealed.Seal(t)
	gone := fixtures.Vault(t)
	must(t, gone.Kill())
	for name, c := range map[string]struct {
		server *fixtures.VaultServer
		want   error
	}{
		"not initialised": {fresh, vaultapi.ErrUninitialized}, "sealed": {sealed, vaultapi.ErrSealed}, "gone": {gone, vaultapi.ErrUnreachable},
	} {
		server := as(c.server, "s.none")
		server.LeaderWait = 1
		if err := (&Target{Server: server}).Preflight(t.Context(), from.dump); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATokenThatMayNotLookIsRefusedWithoutReplace(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	policy := strings.Replace(Policy, `"sys/mounts"`, `"sys/other"`, 1)
	target := &Target{Server: as(to, to.Token(t, policy))}
	if err := target.Preflight(t.Context(), from.dump); !errors.Is(err, vaultapi.ErrDenied) {
		t.Errorf("without Replace: %v", err)
	}
	target.Replace = true
	must(t, target.Preflight(t.Context(), from.dump))
}

// The login by which a restore comes in is not what makes a server occupied.
func TestTheOwnAuthMethodDoesNotOccupyAFreshServer(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	role, secret := to.AppRole(t, Policy)
	get := func(s string) vaultapi.Secret { return func() (string, error) { return s, nil } }
	server := client(to)
	server.Auth = vaultapi.Auth{Method: vaultapi.MethodAppRole, RoleID: get(role), SecretID: get(secret)}
	must(t, (&Target{Server: server}).Preflight(t.Context(), from.dump))
	to.OK(t, http.MethodPost, "sys/auth/userpass", map[string]any{"type": "userpass"})
	if err := (&Target{Server: server}).Preflight(t.Context(), from.dump); !errors.Is(err, restore.ErrOccupied) || !strings.Contains(err.Error(), "userpass/") {
		t.Errorf("with another method: %v", err)
	}
}

func TestTheSurveySaysWhichKeysWillBeNeeded(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	survey := func(v *fixtures.VaultServer) string {
		lines, err := (&Target{Server: client(v)}).Survey(t.Context(), from.dump)
		must(t, err)
		return strings.Join(lines, "\n")
	}
	st, err := client(to).Status(t.Context(), to.Address)
	must(t, err)
	f, err := facts(from.dump)
	must(t, err)
	text := survey(to)
	for _, want := range []string{
		f.ClusterID, st.ClusterID, f.Version, "5 unseal shares of which 3 are needed", "the route is sys/storage/raft/snapshot-force",
		"3 of the 5 unseal keys of the snapshot's cluster are needed", "every token of it ends", "nothing is mounted",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the survey does not say %q:\n%s", want, text)
		}
	}
	if text := survey(from.VaultServer); !strings.Contains(text, "it is the same cluster") || !strings.Contains(text, "stays unsealed") || !strings.Contains(text, "which go") {
		t.Errorf("the survey of the cluster itself:\n%s", text)
	}
}

func TestVersionsAreComparedByNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b  string
		older bool
	}{
		{"1.9.0", "1.10.0", true}, {"1.10.0", "1.9.0", false}, {"1.21.0", "1.21.0", false}, {"1.21.0", "1.21.1", true},
		{"1.21.0+ent", "1.21.0", false}, {"v1.20.0", "1.21", true}, {"2.0.0-beta1", "2.0.0", false}, {"1.21", "1.21.0", false},
	} {
		if got := older(c.a, c.b); got != c.older {
			t.Errorf("older(%q, %q) is %t", c.a, c.b, got)
		}
	}
	if err := versionProblem(vaultapi.Status{Product: "OpenBao", Version: "2.0.0"}, raft.Facts{Product: "Vault", Version: "9.0.0"}); err != nil {
		t.Errorf("of two products: %v", err)
	}
}
