package raft

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/fixtures/testrepo"
	"holdfast/fixtures/vaultkv"
	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/vaultapi"
	"holdfast/snapshot/store/dir"
)

// five is how servers of tests are initialised unless a test is about the numbers.
var five = fixtures.VaultOptions{Shares: 5, Threshold: 3}

// A vault is dumped from by most tests and changed by none, once it is filled.
var vault = fixtures.SharedVault{Options: five}

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		startAndWait(dir)
	}
	os.Exit(runAll(m))
}

// sharedDir has the repository with the shared server's dump, which outlives the test that made it.
var sharedDir string

func runAll(m *testing.M) int {
	var err error
	if sharedDir, err = os.MkdirTemp("", "holdfast-raft-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := vault.Run(m)
	if err := os.RemoveAll(sharedDir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// A filled server is one with everything that a restore has to bring back.
type filled struct {
	*fixtures.VaultServer
	sample *vaultkv.Sample
	dump   restore.Dump
}

var (
	sharing sync.Mutex
	shared  *filled
)

// source returns the shared server and a dump of it.
func source(t *testing.T) *filled {
	t.Helper()
	sharing.Lock()
	defer sharing.Unlock()
	if shared == nil {
		s, err := dir.Create(sharedDir)
		must(t, err)
		shared = fill(t, vault.Get(t), testrepo.New(t, s))
	}
	return shared
}

func fill(t *testing.T, v *fixtures.VaultServer, repo *testrepo.Repo) *filled {
	t.Helper()
	f := &filled{VaultServer: v, sample: vaultkv.Fill(t, v, 200)}
	f.AppRole(t, `path "+/data/*" { capabilities = ["read"] }`)
	v.OK(t, http.MethodPost, "auth/token/create", map[string]any{"ttl": "1s"})  // gone when it is restored
	v.OK(t, http.MethodPost, "auth/token/create", map[string]any{"ttl": "24h"}) // not gone
	f.dump = takeInto(t, repo, v)
	return f
}

// take dumps a server into a repository and opens what is there.
func take(t *testing.T, v *fixtures.VaultServer) restore.Dump {
	t.Helper()
	return takeInto(t, testrepo.Dir(t), v)
}

func takeInto(t *testing.T, repo *testrepo.Repo, v *fixtures.VaultServer) restore.Dump {
	t.Helper()
	return repo.Open(t, repo.Take(t, "core", &raft.Source{Server: client(v)}))
}

// client is v as its root.
func client(v *fixtures.VaultServer) *vaultapi.Server { return as(v, v.RootToken) }

func as(v *fixtures.VaultServer, token string) *vaultapi.Server {
	return &vaultapi.Server{
		Addresses: []string{v.Address},
		TLS:       vaultapi.TLS{CAFile: v.CAFile},
		Auth:      vaultapi.Auth{Method: vaultapi.MethodToken, Token: func() (string, error) { return token, nil }},
	}
}

// some of the shares of v, by number.
func sharesOf(v *fixtures.VaultServer, which ...int) func() (barrier.Shares, error) {
	return func() (barrier.Shares, error) {
		var list barrier.Shares
		for _, i := range which {
			list = append(list, v.Keys[i])
		}
		return list, nil
	}
}

// nowOwnedBy tells the fixture that it holds what another server held.
func nowOwnedBy(v, other *fixtures.VaultServer) {
	v.Keys, v.Threshold, v.RootToken = other.Keys, other.Threshold, other.RootToken
}

// altered is a dump with one stream other than it was.
type altered struct {
	restore.Dump
	facts func(*raft.Facts)
	// wrap, if set, gets between a stream and its reader; n counts how often the stream was opened.
	wrap   func(stream string, n int, r io.Reader) io.Reader
	opened map[string]int
}

func (a *altered) Streams() []snapshot.StreamInfo {
	list := a.Dump.Streams()
	for i := range list {
		if list[i].Name != raft.StateName || a.facts == nil {
			continue
		}
		var f raft.Facts
		if err := json.Unmarshal(list[i].Facts, &f); err != nil {
			panic(err)
		}
		a.facts(&f)
		b, err := json.Marshal(f)
		if err != nil {
			panic(err)
		}
		list[i].Facts = b
	}
	return list
}

func (a *altered) Open(ctx context.Context, stream string) (io.ReadCloser, error) {
	r, err := a.Dump.Open(ctx, stream)
	if err != nil || a.wrap == nil {
		return r, err
	}
	if a.opened == nil {
		a.opened = map[string]int{}
	}
	a.opened[stream]++
	return struct {
		io.Reader
		io.Closer
	}{a.wrap(stream, a.opened[stream], r), r}, nil
}

var errLost = errors.New("connection lost")

// cut ends r with errLost after n bytes.
func cut(r io.Reader, n int64) io.Reader { return io.MultiReader(io.LimitReader(r, n), lost{}) }

type lost struct{}

func (lost) Read([]byte) (int, error) { return 0, errLost }

func sizeOf(t *testing.T, d restore.Dump, stream string) int64 {
	t.Helper()
	info, err := restore.Find(d, stream)
	must(t, err)
	return info.Bytes
}

func load(t *testing.T, target *Target, d restore.Dump) restore.Loaded {
	t.Helper()
	loaded, err := restore.Run(t.Context(), d, target)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// unchanged fails the test if v does not serve a secret that was written before.
func witness(t *testing.T, v *fixtures.VaultServer) (unchanged func()) {
	t.Helper()
	path := v.MountKV(t, 1) + "/witness"
	v.OK(t, http.MethodPost, path, map[string]any{"seen": "yes"})
	return func() {
		t.Helper()
		time.Sleep(300 * time.Millisecond) // a server that took something is busy with it by now
		if status, answer := v.API(t, http.MethodGet, path, nil); status != http.StatusOK {
			t.Errorf("the target is not what it was: %d %v", status, answer)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func hexOf(key []byte) string { return hex.EncodeToString(key) }
