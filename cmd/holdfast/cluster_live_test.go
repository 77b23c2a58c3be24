//go:build !race

package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultkv"
	"holdfast/restore"
	kvtarget "holdfast/restore/target/kv"
	"holdfast/snapshot"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/vaultapi"
	"holdfast/snapshot/store"
	"holdfast/snapshot/store/dir"
	"holdfast/verify"
)

// liveSecrets is how many secrets the tests here have: as many as a platform team may.
const liveSecrets = 5000

// A liveCluster is a lab with a server that is full of secrets, and the vaults core (raft) and
// secrets (kv) that are it.
type liveCluster struct {
	*lab
	server *fixtures.VaultServer
	sample *vaultkv.Sample
	shares string // a file with as many as are needed
	tokens []string
}

func newLiveCluster(t *testing.T, url string, env ...string) *liveCluster {
	t.Helper()
	c := &liveCluster{server: fixtures.VaultWith(t, fixtures.VaultOptions{Shares: 5, Threshold: 3})}
	c.sample = vaultkv.Fill(t, c.server, liveSecrets)
	policy := kv.Policy
	for _, m := range c.sample.Mounts {
		policy += strings.ReplaceAll(map[int]string{1: kv.PolicyV1, 2: kv.PolicyV2}[m.Version], "MOUNT", m.Path)
	}
	c.tokens = []string{"CORE_TOKEN=" + c.server.Token(t, raft.Policy), "SECRETS_TOKEN=" + c.server.Token(t, policy)}
	c.lab = c.newHost(t, url, env...)
	var lines []string
	for _, key := range c.server.Keys[1:4] {
		lines = append(lines, hex.EncodeToString(key))
	}
	c.shares = filepath.Join(c.dir, "shares.txt")
	if err := os.WriteFile(c.shares, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// newHost configures a host, with keys of its own, that takes snapshots of the server into url.
func (c *liveCluster) newHost(t *testing.T, url string, env ...string) *lab {
	t.Helper()
	l := newLab(t, url, 10, append(env, c.tokens...)...)
	replaceInFile(t, l.config, "vaults:\n", "vaults:\n"+
		"  core: {kind: raft, address: \""+c.server.Address+"\", auth: {method: token, token: env:CORE_TOKEN}}\n"+
		"  secrets: {kind: kv, address: \""+c.server.Address+"\", auth: {method: token, token: env:SECRETS_TOKEN}}\n")
	return l
}

// hosts are three that take snapshots of the server, c the first of them. Where chunks end, a host's random key
// says: what a small change costs is judged by the median, which no single key decides.
func (c *liveCluster) hosts(t *testing.T) []*liveCluster {
	t.Helper()
	list := []*liveCluster{c}
	for range 2 {
		other := *c
		other.lab = c.newHost(t, "")
		list = append(list, &other)
	}
	return list
}

// take takes a snapshot and returns what it came to.
func (c *liveCluster) take(vault string) *snapshot.Manifest {
	c.t.Helper()
	var out struct {
		Snapshots []struct{ Snapshot *snapshot.Manifest }
	}
	if err := json.Unmarshal([]byte(c.must("snapshot", vault, "--json")), &out); err != nil {
		c.t.Fatal(err)
	}
	return out.Snapshots[0].Snapshot
}

// restoreInto restores the newest snapshot of vault into a fresh server.
func (c *liveCluster) restoreInto(vault string, args ...string) *fixtures.VaultServer {
	c.t.Helper()
	to := fixtures.VaultWith(c.t, fixtures.VaultOptions{Shares: 5, Threshold: 3})
	env := c.env
	c.env = append(env[:len(env):len(env)], "VAULT_TOKEN="+to.RootToken)
	defer func() { c.env = env }()
	c.must(append([]string{"restore", "latest", "--vault", vault, "--to", "vault+" + to.Address, "-i", c.identity(), "--quiet"}, args...)...)
	return to
}

// TestALiveClusterIsOneInstant snapshots a cluster while applications write to it, restores it into a
// fresh server that the original shares unseal, and compares every secret.
func TestALiveClusterIsOneInstant(t *testing.T) {
	url, env := bucket(t)
	c := newLiveCluster(t, url, env...)
	w := c.sample.StartWriter(4)
	waitFor(t, func() bool { return w.Written() >= 20 })
	before := w.Written()
	c.take("core")
	if _, err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	to := c.restoreInto("core", "--unseal", c.shares)
	to.Keys, to.Threshold, to.RootToken = c.server.Keys, c.server.Threshold, c.server.RootToken
	got := vaultkv.Secrets(t, to)
	if written, err := c.sample.CheckInstant(got); err != nil || written < before {
		t.Errorf("%d writes are in it, and %d were answered before it began: %v", written, before, err)
	}
	for key, want := range c.sample.Expected() {
		if diff := cmp.Diff(want, got[key]); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}

	// At rest nothing may differ, and each share opens every entry.
	want := vaultkv.Secrets(t, c.server)
	c.take("core")
	to = c.restoreInto("core", "--unseal", c.shares)
	to.Keys, to.Threshold, to.RootToken = c.server.Keys, c.server.Threshold, c.server.RootToken
	if diff := cmp.Diff(want, vaultkv.Secrets(t, to)); diff != "" || len(want) < liveSecrets {
		t.Errorf("%d secrets; restored are others:\n%s", len(want), diff)
	}
	var proven struct{ Vaults []*verify.Result }
	out := c.must("verify", "latest", "--vault", "core", "--level", "content", "--unseal", c.shares, "-i", c.identity(), "--json")
	if err := json.Unmarshal([]byte(out), &proven); err != nil {
		t.Fatal(err)
	}
	f := proven.Vaults[0].Findings[0]
	t.Logf("every one of %d entries authenticated with 3 of 5 shares in %s, reading and decrypting the snapshot included", f.Rows, f.Finished.Sub(f.Started))
}

// TestASecondRaftSnapshotStoresWhatChanged rewrites parts of a cluster's secrets.
func TestASecondRaftSnapshotStoresWhatChanged(t *testing.T) {
	c := newLiveCluster(t, "")
	hosts := c.hosts(t)
	first := make([]*snapshot.Manifest, len(hosts))
	for i, h := range hosts {
		first[i] = h.take("core")
	}
	for _, x := range []struct{ changed, most float64 }{{0.001, 0.2}, {0.01, 1}, {0.05, 1}} {
		n, err := c.sample.Change(x.changed)
		if err != nil {
			t.Fatal(err)
		}
		shares := make([]float64, len(hosts))
		for i, h := range hosts {
			m, before := h.take("core"), first[i].Totals.NewBytes
			shares[i] = float64(m.Totals.NewBytes) / float64(before)
			t.Logf("%.1f %% of secrets rewritten (%d): %d of %d bytes stored, %.1f %%; %d of %d chunks new",
				100*x.changed, n, m.Totals.NewBytes, before, 100*shares[i], m.Totals.NewChunks, m.Totals.Chunks)
		}
		slices.Sort(shares)
		if share := shares[len(shares)/2]; share > x.most {
			t.Errorf("%.1f %% of secrets rewritten made %.0f %% of the first snapshot new", 100*x.changed, 100*share)
		}
	}
}

// TestOneSecretIsReadWithoutTheOthers counts what a secret out of thousands costs.
func TestOneSecretIsReadWithoutTheOthers(t *testing.T) {
	c := newLiveCluster(t, "")
	path, field, value := c.sample.Canary()
	var shares []float64
	for _, h := range c.hosts(t) {
		all := h.take("secrets")
		if out := h.must("cat", "latest", "--vault", "secrets", "kv:"+path, "-i", h.identity()); !strings.Contains(out, `"`+field+`":"`+value+`"`) {
			t.Error("the secret is not what it was")
		}
		counted, snap := h.counted("secrets")
		before := counted.Counts()
		h.restoreOne(t, snap, path, field, value)
		after := counted.Counts()
		bytes := after.Received - before.Received
		t.Logf("one secret of %d restored: %d requests, %d bytes of %d; %d requests and %d bytes before that, for manifest, keys and contents",
			all.Totals.Rows, after.Gets-before.Gets, bytes, all.Totals.StoredBytes, before.Gets+before.Lists, before.Received)
		shares = append(shares, float64(bytes)/float64(all.Totals.StoredBytes))
	}
	slices.Sort(shares)
	if share := shares[len(shares)/2]; share > 1.0/3 {
		t.Errorf("one secret took %.0f %% of the bytes of all", 100*share)
	}
}

// restoreOne restores one secret into a fresh server and looks at one of its fields.
func (c *liveCluster) restoreOne(t *testing.T, snap restore.Dump, path, field, value string) {
	t.Helper()
	to := fixtures.Vault(t)
	for _, m := range c.sample.Mounts {
		if err := to.MountKVAt(m.Path, m.Version); err != nil {
			t.Fatal(err)
		}
	}
	server := &vaultapi.Server{Addresses: []string{to.Address}, Auth: vaultapi.Auth{Method: "token", Token: func() (string, error) { return to.RootToken, nil }}}
	if _, err := (&kvtarget.Target{Server: server, Only: []string{path}}).Load(t.Context(), snap); err != nil {
		t.Fatal(err)
	}
	status, answer := to.API(t, "GET", strings.Replace(path, "/", "/data/", 1), nil)
	if got := answer["data"].(map[string]any)["data"].(map[string]any)[field]; status != 200 || got != value {
		t.Errorf("status %d, and the field is another one", status)
	}
}

// counted opens the newest snapshot of a vault in the lab's folder through a store that counts.
func (c *liveCluster) counted(vault string) (*store.CountedStore, *restore.Snapshot) {
	c.t.Helper()
	under, err := dir.Open(filepath.Join(c.dir, "repository"))
	if err != nil {
		c.t.Fatal(err)
	}
	host, err := readHostKey(filepath.Join(c.dir, "host.key"))
	if err != nil {
		c.t.Fatal(err)
	}
	trust, err := snapshot.NewTrust(host.Signer.Verifier)
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := os.ReadFile(c.identity())
	if err != nil {
		c.t.Fatal(err)
	}
	ids, err := parseIdentities(string(b))
	if err != nil {
		c.t.Fatal(err)
	}
	s := store.Counted(under)
	repository, err := snapshot.Open(c.t.Context(), s, trust)
	if err != nil {
		c.t.Fatal(err)
	}
	list, err := (&snapshot.Catalog{Store: s, Repository: repository.ID, Trust: trust}).List(c.t.Context(), vault)
	if err != nil {
		c.t.Fatal(err)
	}
	snap, err := restore.Open(c.t.Context(), s, list[len(list)-1].Manifest, trust, nil, ids...)
	if err != nil {
		c.t.Fatal(err)
	}
	return s, snap
}
