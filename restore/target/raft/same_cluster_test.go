package raft

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"holdfast/fixtures"
	"holdfast/restore/target/raft/barrier"
)

func TestTheSameClusterGoesBackAndStaysUnsealed(t *testing.T) {
	t.Parallel()
	for _, shares := range []bool{true, false} {
		v := fixtures.VaultWith(t, five)
		path := v.MountKV(t, 1) + "/s"
		v.OK(t, http.MethodPost, path, map[string]any{"v": "before"})
		d := take(t, v)
		v.OK(t, http.MethodPost, path, map[string]any{"v": "after"})
		target := &Target{Server: client(v), Replace: true}
		if shares {
			target.Shares = sharesOf(v, 1, 2, 3)
		}
		loaded := load(t, target, d)
		if got := v.OK(t, http.MethodGet, path, nil)["data"].(map[string]any)["v"]; got != "before" {
			t.Errorf("shares %t: the secret is %v", shares, got)
		}
		if notes := strings.Join(loaded.Notes, "\n"); !strings.Contains(notes, "came back byte for byte") || strings.Contains(notes, "sealed") {
			t.Errorf("shares %t: notes: %s", shares, notes)
		}
	}
}

func TestAServerThatUnsealsItselfGoesBack(t *testing.T) {
	t.Parallel()
	v := fixtures.VaultTransit(t)
	path := v.MountKV(t, 1) + "/s"
	v.OK(t, http.MethodPost, path, map[string]any{"v": "before"})
	d := take(t, v)
	v.OK(t, http.MethodPost, path, map[string]any{"v": "after"})
	recovery := &Target{Server: client(v), Replace: true, Shares: func() (barrier.Shares, error) { return v.RecoveryKeys, nil }}
	if err := recovery.Preflight(t.Context(), d); !errors.Is(err, barrier.ErrSealKind) {
		t.Errorf("with recovery shares: %v", err)
	}
	loaded := load(t, &Target{Server: client(v), Replace: true}, d)
	if got := v.OK(t, http.MethodGet, path, nil)["data"].(map[string]any)["v"]; got != "before" {
		t.Errorf("the secret is %v", got)
	}
	if notes := strings.Join(loaded.Notes, "\n"); !strings.Contains(notes, "came back byte for byte") {
		t.Errorf("notes: %s", notes)
	}
}

// Its unseal keys were changed since the snapshot, so the server does not open the sealed sums.
func TestTheSameClusterGoesBackBehindARekey(t *testing.T) {
	t.Parallel()
	v := fixtures.VaultWith(t, five)
	path := v.MountKV(t, 1) + "/s"
	v.OK(t, http.MethodPost, path, map[string]any{"v": "before"})
	d, old := take(t, v), *v
	rekey(t, v)
	v.OK(t, http.MethodPost, path, map[string]any{"v": "after"})
	if err := (&Target{Server: client(v), Replace: true, Shares: sharesOf(v, 0, 1, 2)}).Preflight(t.Context(), d); !errors.Is(err, barrier.ErrWrongShares) {
		t.Errorf("Preflight with the new shares: %v", err)
	}
	load(t, &Target{Server: client(v), Replace: true, Shares: sharesOf(&old, 0, 1, 2)}, d)
	if got := v.OK(t, http.MethodGet, path, nil)["data"].(map[string]any)["v"]; got != "before" {
		t.Errorf("the secret is %v", got)
	}
}

// Without shares nobody looks, and the notes claim nothing that was not seen.
func TestBehindARekeyWithoutSharesTheNotesSayThatNobodyLooked(t *testing.T) {
	t.Parallel()
	v := fixtures.VaultWith(t, five)
	d := take(t, v)
	rekey(t, v)
	notes := strings.Join(load(t, &Target{Server: client(v), Replace: true}, d).Notes, "\n")
	if !strings.Contains(notes, "is not sealed") || !strings.Contains(notes, "could not be recounted") || strings.Contains(notes, "unsealed itself") {
		t.Errorf("notes: %s", notes)
	}
}

// rekey gives v new unseal shares, as many as it had.
func rekey(t *testing.T, v *fixtures.VaultServer) {
	t.Helper()
	begun := v.OK(t, http.MethodPut, "sys/rekey/init", map[string]any{"secret_shares": 5, "secret_threshold": 3})
	var done map[string]any
	for _, key := range v.Keys[:3] {
		done = v.OK(t, http.MethodPut, "sys/rekey/update", map[string]any{"key": hexOf(key), "nonce": begun["nonce"]})
	}
	v.Keys = nil
	for _, key := range done["keys_base64"].([]any) {
		keys, err := decodeKeys([]string{key.(string)})
		must(t, err)
		v.Keys = append(v.Keys, keys[0])
	}
}

// A server that cannot take up its work after the storage was replaced under it seals itself.
func TestAServerThatSealedItselfMeanwhileIsUnsealedOnceMore(t *testing.T) {
	t.Parallel()
	v := fixtures.VaultWith(t, five)
	d := take(t, v)
	target := &Target{Server: client(v), Shares: sharesOf(v, 1, 2, 3)}
	sess, err := target.Server.Login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o, err := open(t.Context(), d, target.Shares)
	if err != nil {
		t.Fatal(err)
	}
	v.Seal(t)
	address, err := (&settling{target: target, sess: sess, opened: o}).active(t.Context())
	if err != nil || address != v.Address {
		t.Fatalf("%q leads: %v", address, err)
	}
	if err := sess.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
