package raft

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime/metrics"
	"testing"
	"time"

	"holdfast/fixtures/vaultfake"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/archive"
	"holdfast/snapshot/source/vaultapi"
)

// streaming returns a source of a fake server that makes its archive while it sends it, so that one of any
// size costs no memory. (fixtures/vaultfake holds its archive.)
func streaming(t testing.TB, list []archive.Member) *Source {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/sys/seal-status":
			fmt.Fprint(w, `{"type":"shamir","initialized":true,"t":3,"n":5,"version":"1.21.0","storage_type":"raft"}`)
		case "/v1/sys/leader":
			fmt.Fprintf(w, `{"ha_enabled":true,"is_self":true,"leader_address":%q}`, server.URL)
		case "/v1/" + snapshotPath:
			if err := archive.Write(w, list); err != nil {
				panic(http.ErrAbortHandler)
			}
		default:
			fmt.Fprint(w, `{"data":{}}`)
		}
	}))
	t.Cleanup(server.Close)
	return fakeSource(server.URL)
}

// fakeSource reads a fake server.
func fakeSource(addresses ...string) *Source {
	return &Source{Server: &vaultapi.Server{
		Addresses: addresses, LeaderWait: 5 * time.Second,
		Auth: vaultapi.Auth{Method: vaultapi.MethodToken, Token: fixed("a-token-of-tests")},
	}}
}

// A discarded dump costs nothing itself.
type discarded struct{}

func (discarded) About(snapshot.About) {}
func (discarded) Warn(string)          {}

func (discarded) Stream(context.Context, snapshot.Stream) (snapshot.StreamWriter, error) {
	return discarded{}, nil
}
func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) Seal(int64, any) error       { return nil }

func TestMemoryDoesNotGrowWithTheArchive(t *testing.T) {
	const small = 16 << 20
	less, more := peak(t, small), peak(t, large)
	t.Logf("peak of live and dead objects: %d MiB for %d MiB, %d MiB for %d MiB", less>>20, small>>20, more>>20, large>>20)
	if more > less+16<<20 {
		t.Error("it grows with the archive")
	}
}

// peak returns the largest heap during a dump of an archive with size bytes of storage, that of the fake
// server that makes it on the way included.
func peak(t *testing.T, size int) uint64 {
	t.Helper()
	list := members(t, storage(size/4200))
	s := streaming(t, list)
	done := make(chan error, 1)
	go func() { done <- s.Dump(t.Context(), discarded{}) }()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	var most uint64
	for {
		metrics.Read(sample)
		most = max(most, sample[0].Value.Uint64())
		select {
		case err := <-done:
			must(t, err)
			return most
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func BenchmarkDump(b *testing.B) {
	list := members(b, storage(16<<10))
	fake := vaultfake.Start(b, packed(b, list), 1)
	s := fakeSource(fake.Addresses()...)
	s.Server.Auth.Token = fixed(fake.Token)
	b.SetBytes(list[1].Size)
	b.ReportAllocs()
	for b.Loop() {
		must(b, s.Dump(b.Context(), discarded{}))
	}
}
