package raft

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/snapshot"
	"holdfast/snapshot/source/vaultapi"
)

var shared fixtures.SharedVault

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// A recorder is a dump in memory.
type recorder struct {
	mu       sync.Mutex
	order    []string
	streams  map[string]*stream
	abouts   []snapshot.About
	warnings []string
	earlier  []snapshot.StreamInfo
	written  func(name string, total int) // hears of every write
}

type stream struct {
	snapshot.Stream
	rec    *recorder
	body   bytes.Buffer
	sealed bool
	rows   int64
	facts  json.RawMessage
}

func (r *recorder) Stream(_ context.Context, s snapshot.Stream) (snapshot.StreamWriter, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.streams == nil {
		r.streams = map[string]*stream{}
	}
	if r.streams[s.Name] != nil {
		return nil, os.ErrExist
	}
	r.order = append(r.order, s.Name)
	r.streams[s.Name] = &stream{Stream: s, rec: r}
	return r.streams[s.Name], nil
}

func (r *recorder) About(a snapshot.About) { r.abouts = append(r.abouts, a) }
func (r *recorder) Warn(text string)       { r.warnings = append(r.warnings, text) }

func (r *recorder) Before(context.Context) ([]snapshot.StreamInfo, error) { return r.earlier, nil }

func (s *stream) Write(p []byte) (int, error) {
	n, err := s.body.Write(p)
	if s.rec.written != nil {
		s.rec.written(s.Name, s.body.Len())
	}
	return n, err
}

func (s *stream) Seal(rows int64, facts any) error {
	var err error
	s.sealed, s.rows = true, rows
	s.facts, err = json.Marshal(facts)
	return err
}

// sealed says how many streams were sealed.
func (r *recorder) sealed() (n int) {
	for _, s := range r.streams {
		if s.sealed {
			n++
		}
	}
	return n
}

func (r *recorder) facts(t testing.TB) Facts {
	t.Helper()
	var f Facts
	must(t, json.Unmarshal(r.streams[StateName].facts, &f))
	return f
}

// check fails unless the dump is whole by its own account, as sha256sum -c would find.
func (r *recorder) check(t testing.TB) {
	t.Helper()
	if !slices.Equal(r.order, []string{MetaName, StateName, SumsName, SealedName}) || r.sealed() != 4 || len(r.abouts) != 1 {
		t.Fatalf("streams %q, %d sealed, %d times told about", r.order, r.sealed(), len(r.abouts))
	}
	lines := strings.Split(strings.TrimSuffix(r.streams[SumsName].body.String(), "\n"), "\n")
	for _, name := range []string{MetaName, StateName} {
		want := hexSum(r.streams[name].body.Bytes()) + "  " + name
		if !slices.Contains(lines, want) {
			t.Errorf("%q is not in %q", want, lines)
		}
	}
	if len(lines) != 2 || r.streams[SealedName].body.Len() == 0 {
		t.Errorf("sums %q, %d bytes sealed", lines, r.streams[SealedName].body.Len())
	}
}

func hexSum(b []byte) string { return snapshot.Digest(sha256.Sum256(b)).String() }

// source reads server with a token of the policy that is documented, and no other right.
func source(t testing.TB, server *fixtures.VaultServer) *Source {
	t.Helper()
	return &Source{Server: &vaultapi.Server{
		Addresses: []string{server.Address}, TLS: vaultapi.TLS{CAFile: server.CAFile}, LeaderWait: 20 * time.Second,
		Auth: vaultapi.Auth{Method: vaultapi.MethodToken, Token: fixed(server.Token(t, Policy))},
	}}
}

func fixed(text string) vaultapi.Secret { return func() (string, error) { return text, nil } }

func dump(t testing.TB, s *Source) *recorder {
	t.Helper()
	r := &recorder{}
	must(t, s.Dump(t.Context(), r))
	r.check(t)
	return r
}

func must(t testing.TB, err error) {
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

// refused fails unless a dump ends with an error that matches want, and with no stream sealed.
func refused(t *testing.T, s *Source, want error, texts ...string) *recorder {
	t.Helper()
	r := &recorder{}
	wants(t, s.Dump(t.Context(), r), want, texts...)
	if r.sealed() != 0 || len(r.abouts) != 0 {
		t.Errorf("%d streams are sealed", r.sealed())
	}
	return r
}
