package barrier_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultkv"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot/source/raft/state"
	"holdfast/snapshot/source/raft/state/statetest"
)

// A sample is a server with secrets in three mounts, policies, logins and an audit device, and a
// snapshot of it. It is made once for all tests, which change nothing in it.
type sample struct {
	server *fixtures.VaultServer
	shares barrier.Shares // five, of which three are needed
	bin    []byte         // state.bin
	want   map[string]vaultkv.Secret

	once sync.Once
	err  error
}

const secrets = 5000

var (
	shared fixtures.SharedVault
	filled sample
)

func TestMain(m *testing.M) {
	shared.Options = fixtures.VaultOptions{Shares: 5, Threshold: 3}
	os.Exit(shared.Run(m))
}

func theSample(t fixtures.TB) *sample {
	t.Helper()
	s := shared.Get(t)
	filled.once.Do(func() { filled.err = filled.fill(s) })
	if filled.err != nil {
		t.Fatalf("%v", filled.err)
	}
	return &filled
}

func (s *sample) fill(server *fixtures.VaultServer) error {
	s.server, s.shares = server, server.Keys
	if _, err := vaultkv.Generate(server, vaultkv.Options{Secrets: secrets}); err != nil {
		return err
	}
	log := filepath.Join(server.Data, "..", "audit.log")
	if _, err := server.Try(http.MethodPut, "sys/audit/to-file", map[string]any{"type": "file", "options": map[string]any{"file_path": log}}); err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := server.SnapshotTo(&archive); err != nil {
		return err
	}
	var err error
	if s.bin, err = stateOf(&archive); err != nil {
		return err
	}
	s.want, err = vaultkv.ReadAll(server)
	return err
}

func (s *sample) open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(s.bin)), nil }

// keyring opens the sample with shares that are enough.
func (s *sample) keyring(t fixtures.TB) *barrier.Keyring {
	t.Helper()
	return unseal(t, s.bin, s.shares[:3])
}

func unseal(t fixtures.TB, bin []byte, shares barrier.Shares) *barrier.Keyring {
	t.Helper()
	seal, err := barrier.ReadSeal(bytes.NewReader(bin))
	if err != nil {
		t.Fatalf("%v", err)
	}
	k, err := seal.Unseal(shares)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return k
}

// stateOf returns the member state.bin of a snapshot.
func stateOf(archive io.Reader) ([]byte, error) {
	z, err := gzip.NewReader(archive)
	if err != nil {
		return nil, err
	}
	for members := tar.NewReader(z); ; {
		h, err := members.Next()
		if err != nil {
			return nil, fmt.Errorf("looking for state.bin: %w", err)
		}
		if h.Name == "state.bin" {
			return io.ReadAll(members)
		}
	}
}

// entries reads a state.bin, to be changed and written again.
func entries(t fixtures.TB, bin []byte) []state.Entry {
	t.Helper()
	var list []state.Entry
	for r := state.NewReader(bytes.NewReader(bin)); ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
		e.Value = bytes.Clone(e.Value)
		list = append(list, e)
	}
}

func binOf(list []state.Entry) []byte {
	var bin []byte
	for _, e := range list {
		bin = statetest.Append(bin, e)
	}
	return bin
}

// at returns the entry of a key, to be changed.
func at(t fixtures.TB, list []state.Entry, key string) *state.Entry {
	t.Helper()
	for i := range list {
		if list[i].Key == key {
			return &list[i]
		}
	}
	t.Fatalf("there is no entry %s", key)
	return nil
}
