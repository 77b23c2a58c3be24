package barrier_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"holdfast/fixtures"
	"holdfast/restore/shamir"
	"holdfast/restore/target/raft/barrier"
)

func TestAnyThreeOfFiveSharesOpenTheSeal(t *testing.T) {
	s := theSample(t)
	seal, err := barrier.ReadSeal(bytes.NewReader(s.bin))
	if err != nil {
		t.Fatal(err)
	}
	if seal.Type != barrier.Shamir || seal.Shares != 5 || seal.Threshold != 3 {
		t.Errorf("the seal is %q with %d of %d shares", seal.Type, seal.Threshold, seal.Shares)
	}
	opened := 0
	for given := range 1 << 5 {
		var shares barrier.Shares
		for i := range 5 {
			if given>>i&1 == 1 {
				shares = append(shares, s.shares[4-i])
			}
		}
		_, err := seal.Unseal(shares)
		switch {
		case len(shares) < 3 && !errors.Is(err, barrier.ErrTooFew):
			t.Errorf("%d shares: got %v", len(shares), err)
		case len(shares) >= 3 && err != nil:
			t.Errorf("%d shares: got %v", len(shares), err)
		case err == nil:
			opened++
		}
	}
	if opened != 10+5+1 {
		t.Errorf("%d of 16 sets opened the seal", opened)
	}
}

func TestWrongSharesAreRefused(t *testing.T) {
	s := theSample(t)
	seal, err := barrier.ReadSeal(bytes.NewReader(s.bin))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := shamir.Split(make([]byte, 32), 5, 3, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mistyped := bytes.Clone(s.shares[2])
	mistyped[7] ^= 1
	for _, c := range []struct {
		name   string
		shares barrier.Shares
		want   error
	}{
		{"none", nil, barrier.ErrTooFew},
		{"one of them twice", barrier.Shares{s.shares[0], s.shares[1], s.shares[0]}, barrier.ErrTooFew},
		{"of another server", foreign, barrier.ErrWrongShares},
		{"one of another server", barrier.Shares{s.shares[0], s.shares[1], foreign[2]}, barrier.ErrWrongShares},
		{"one mistyped", barrier.Shares{s.shares[0], s.shares[1], mistyped}, barrier.ErrWrongShares},
		{"one mistyped above the threshold", barrier.Shares{s.shares[0], s.shares[1], s.shares[3], mistyped}, barrier.ErrWrongShares},
		{"one in two ways", barrier.Shares{s.shares[0], s.shares[1], s.shares[2], mistyped}, barrier.ErrWrongShares},
		{"one cut", barrier.Shares{s.shares[0], s.shares[1], s.shares[2][1:]}, barrier.ErrWrongShares},
		{"all cut", barrier.Shares{s.shares[0][1:], s.shares[1][1:], s.shares[2][1:]}, barrier.ErrWrongShares},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := seal.Unseal(c.shares)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			tellsNothing(t, err.Error(), s.shares)
		})
	}
}

func TestASealWithOneShare(t *testing.T) {
	server := fixtures.Vault(t)
	bin, err := stateOf(bytes.NewReader(server.Snapshot(t)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unseal(t, bin, server.Keys).Prove(t.Context(), bytes.NewReader(bin)); err != nil {
		t.Error(err)
	}
	seal, err := barrier.ReadSeal(bytes.NewReader(bin))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Unseal(barrier.Shares{make([]byte, 32)}); !errors.Is(err, barrier.ErrWrongShares) {
		t.Errorf("another share: got %v", err)
	}
	two := barrier.Shares{server.Keys[0], make([]byte, 32)}
	for range two {
		if _, err := seal.Unseal(two); !errors.Is(err, barrier.ErrWrongShares) {
			t.Errorf("two shares: got %v", err)
		}
		slices.Reverse(two)
	}
}

// After a rotation there are entries under two keys, and after a rekey the old shares open old
// snapshots and no new one.
func TestRotatedKeysAndARekey(t *testing.T) {
	server := fixtures.VaultWith(t, fixtures.VaultOptions{Shares: 3, Threshold: 2})
	old := barrier.Shares(server.Keys)
	write := func(path string) {
		server.OK(t, http.MethodPost, "sys/policies/acl/"+path, map[string]any{"policy": `path "kv/*" { capabilities = ["read"] }`})
	}
	snapshotNow := func() []byte {
		bin, err := stateOf(bytes.NewReader(server.Snapshot(t)))
		if err != nil {
			t.Fatal(err)
		}
		return bin
	}
	write("before")
	before := snapshotNow()
	for range 2 {
		server.OK(t, http.MethodPost, "sys/rotate", nil)
		write("after")
	}
	rotated := snapshotNow()
	proof, err := unseal(t, rotated, old[:2]).Prove(t.Context(), bytes.NewReader(rotated))
	if err != nil {
		t.Fatal(err)
	}
	terms := map[uint32]bool{}
	for _, e := range entries(t, rotated) {
		if strings.HasPrefix(e.Key, "sys/policy/") {
			terms[binary.BigEndian.Uint32(e.Value)] = true
		}
	}
	if proof.Terms != 3 || !terms[1] || !terms[3] {
		t.Errorf("%d keys, and policies under those of terms %v", proof.Terms, terms)
	}

	fresh := rekey(t, server, old[:2])
	rekeyed := snapshotNow()
	if _, err := unseal(t, rekeyed, fresh[:2]).Prove(t.Context(), bytes.NewReader(rekeyed)); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		bin    []byte
		shares barrier.Shares
	}{{rekeyed, old}, {before, fresh}} {
		seal, err := barrier.ReadSeal(bytes.NewReader(c.bin))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Unseal(c.shares[:2]); !errors.Is(err, barrier.ErrWrongShares) {
			t.Errorf("shares of another time: got %v", err)
		}
	}
	unseal(t, before, old[1:])
}

// rekey has the server give out new shares.
func rekey(t *testing.T, server *fixtures.VaultServer, shares barrier.Shares) barrier.Shares {
	t.Helper()
	started := server.OK(t, http.MethodPut, "sys/rekey/init", map[string]any{"secret_shares": 3, "secret_threshold": 2})
	if data, ok := started["data"].(map[string]any); ok {
		started = data
	}
	var fresh barrier.Shares
	for _, share := range shares {
		answer := server.OK(t, http.MethodPut, "sys/rekey/update", map[string]any{"key": hex.EncodeToString(share), "nonce": started["nonce"]})
		keys, _ := answer["keys"].([]any)
		for _, key := range keys {
			b, err := hex.DecodeString(key.(string))
			if err != nil {
				t.Fatal(err)
			}
			fresh = append(fresh, b)
		}
	}
	if len(fresh) != 3 {
		t.Fatalf("%d new shares", len(fresh))
	}
	return fresh
}

func TestASealThatAnotherServerOpensIsNamed(t *testing.T) {
	server := fixtures.VaultTransit(t)
	bin, err := stateOf(bytes.NewReader(server.Snapshot(t)))
	if err != nil {
		t.Fatal(err)
	}
	seal, err := barrier.ReadSeal(bytes.NewReader(bin))
	if err != nil {
		t.Fatal(err)
	}
	if seal.Type != "transit" {
		t.Errorf("the seal is %q", seal.Type)
	}
	_, err = seal.Unseal(server.RecoveryKeys)
	if !errors.Is(err, barrier.ErrSealKind) || !strings.Contains(err.Error(), "transit") {
		t.Errorf("got %v", err)
	}
}

// tellsNothing looks for shares and their parts in text.
func tellsNothing(t *testing.T, text string, shares barrier.Shares) {
	t.Helper()
	for _, s := range shares {
		for _, part := range []string{string(s[:8]), hex.EncodeToString(s)[:12]} {
			if strings.Contains(strings.ToLower(text), part) {
				t.Errorf("%q holds a share", text)
			}
		}
	}
}
