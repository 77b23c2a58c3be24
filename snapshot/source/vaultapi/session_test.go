package vaultapi

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"holdfast/fixtures"
)

func TestNumbersSurviveARoundTrip(t *testing.T) {
	server := shared.Get(t)
	mount := server.MountKV(t, 1)
	sess := login(t, rooted(server))
	_, err := sess.Put(t.Context(), mount+"/numbers", map[string]any{"large": int64(9007199254740993)})
	must(t, err)
	answer, err := sess.Read(t.Context(), mount+"/numbers", nil)
	must(t, err)
	if got := string(answer.Data); got != `{"large":9007199254740993}` {
		t.Errorf("read %s", got)
	}
}

func TestSecretsAreWrittenListedReadAndDeleted(t *testing.T) {
	server := shared.Get(t)
	mount := server.MountKV(t, 2)
	sess := login(t, rooted(server))
	names := []string{"a b", "dir/ünï#?%", "dir/x+y"}
	for _, name := range names {
		_, err := sess.Write(t.Context(), mount+"/data/"+name, map[string]any{"data": map[string]string{"name": name}})
		must(t, err)
	}
	top, err := sess.List(t.Context(), mount+"/metadata")
	must(t, err)
	below, err := sess.List(t.Context(), mount+"/metadata/dir/")
	must(t, err)
	if diff := cmp.Diff([][]string{{"a b", "dir/"}, {"x+y", "ünï#?%"}}, [][]string{top, below}); diff != "" {
		t.Error(diff)
	}
	for _, name := range names {
		answer, err := sess.Read(t.Context(), mount+"/data/"+name, url.Values{"version": {"1"}})
		must(t, err)
		var got struct{ Data map[string]string }
		must(t, answer.Decode(&got))
		if got.Data["name"] != name {
			t.Errorf("%q gives that of %q", name, got.Data["name"])
		}
	}
	must(t, sess.Delete(t.Context(), mount+"/metadata/a b"))
	_, err = sess.Read(t.Context(), mount+"/data/a b", nil)
	wants(t, err, ErrNotFound)
}

func TestDeletedVersionComesWithItsMetadata(t *testing.T) {
	server := shared.Get(t)
	mount := server.MountKV(t, 2)
	sess := login(t, rooted(server))
	_, err := sess.Put(t.Context(), mount+"/data/gone", map[string]any{"data": map[string]string{"k": "v"}})
	must(t, err)
	must(t, sess.Delete(t.Context(), mount+"/data/gone"))
	answer, err := sess.Read(t.Context(), mount+"/data/gone", nil)
	wants(t, err, ErrNotFound)
	if answer == nil || !strings.Contains(string(answer.Data), "deletion_time") {
		t.Errorf("answer %+v", answer)
	}
}

func TestPathThatAURLWouldChangeIsRefused(t *testing.T) {
	sess := login(t, rooted(shared.Get(t)))
	for _, path := range []string{"secret/a/../b", "secret//b", "secret/./b", ""} {
		if _, err := sess.Read(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "cannot be asked for") {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestWhatThePolicyForbidsIsDenied(t *testing.T) {
	server := shared.Get(t)
	s := rooted(server)
	token := server.Token(t, `path "sys/mounts" { capabilities = ["read"] }`)
	s.Auth.Token = fixed(token)
	sess := login(t, s)
	_, err := sess.Read(t.Context(), "sys/mounts", nil)
	must(t, err)
	_, err = sess.Read(t.Context(), "sys/policies/acl", nil)
	wants(t, err, ErrDenied, "sys/policies/acl", "403")
	if errors.Is(err, ErrExpired) || strings.Contains(err.Error(), token) {
		t.Errorf("error %v", err)
	}
}

func TestConfiguredTokenIsRenewedAndLeftAlone(t *testing.T) {
	server := shared.Get(t)
	made := server.OK(t, "POST", "auth/token/create", map[string]any{"ttl": "1h", "explicit_max_ttl": "2h"})
	token := made["auth"].(map[string]any)["client_token"].(string)
	s := rooted(server)
	s.Auth.Token = fixed(token + "\n")
	sess, err := s.Login(t.Context())
	must(t, err)
	must(t, sess.Close(t.Context()))
	found := server.OK(t, "POST", "auth/token/lookup", map[string]any{"token": token})["data"].(map[string]any)
	if found["last_renewal"] == nil {
		t.Error("the token was not renewed")
	}
}

func TestExpiredTokenIsToldFromAMissingRight(t *testing.T) {
	server := shared.Get(t)
	token := server.Token(t, `path "sys/mounts" { capabilities = ["read"] }`)
	server.OK(t, "POST", "auth/token/revoke", map[string]any{"token": token})
	s := rooted(server)
	s.Auth.Token = fixed(token)
	_, err := s.Login(t.Context())
	wants(t, err, ErrExpired)
	wants(t, err, ErrDenied)
	if strings.Contains(err.Error(), token) {
		t.Errorf("the error quotes the token: %v", err)
	}
}

func TestSealedServerIsAnErrorAtOnce(t *testing.T) {
	server := fixtures.Vault(t)
	sess := login(t, rooted(server))
	server.Seal(t)
	started := time.Now()
	_, err := rooted(server).Login(t.Context())
	wants(t, err, ErrSealed, server.Address)
	_, err = sess.Read(t.Context(), "sys/mounts", nil)
	wants(t, err, ErrSealed)
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestNewServerIsUninitialized(t *testing.T) {
	server := fixtures.VaultWith(t, fixtures.VaultOptions{NoInit: true})
	_, err := rooted(server).Login(t.Context())
	wants(t, err, ErrUninitialized, server.Address)
	sess := (&Server{Addresses: []string{server.Address}}).Anonymous(server.Address)
	answer, err := sess.Put(t.Context(), "sys/init", map[string]int{"secret_shares": 3, "secret_threshold": 2})
	must(t, err)
	var a struct {
		Keys []string `json:"keys"`
	}
	must(t, answer.Decode(&a))
	st, err := (&Server{}).Status(t.Context(), server.Address)
	must(t, err)
	want := Status{
		Address: server.Address, Initialized: true, Sealed: true, Product: "Vault", Version: st.Version,
		SealType: "shamir", StorageType: "raft", Shares: 3, Threshold: 2,
	}
	if diff := cmp.Diff(want, st); diff != "" || len(a.Keys) != 3 || st.Version == "" {
		t.Error(diff)
	}
}

func TestStandbyAskedFirstLeadsToTheLeader(t *testing.T) {
	c := fixtures.VaultCluster(t, 3)
	leader := c.Leader(t)
	s := rooted(c.Nodes[0])
	s.Addresses = nil
	for _, n := range c.Standbys(t) {
		s.Addresses = append(s.Addresses, n.Address)
	}
	s.LeaderWait = 30 * time.Second
	sess := login(t, s)
	if sess.Address() != leader.Address || !sess.Status().Active {
		t.Fatalf("the session is with %s, the leader is %s", sess.Address(), leader.Address)
	}
	body, err := sess.Download(t.Context(), "sys/storage/raft/snapshot")
	must(t, err)
	must(t, body.Close())

	c.Kill(t, leader)
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			_, err := sess.Read(t.Context(), "sys/mounts", nil)
			return err
		})
	}
	must(t, g.Wait())
	if sess.Address() == leader.Address || sess.Address() != c.Leader(t).Address {
		t.Errorf("the session went on with %s, the leader is %s", sess.Address(), c.Leader(t).Address)
	}
}

func TestCancelledRequestEndsAtOnce(t *testing.T) {
	sess := login(t, rooted(shared.Get(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sess.Read(ctx, "sys/mounts", nil)
	wants(t, err, context.Canceled)
}
