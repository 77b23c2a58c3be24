package barrier_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot/source/raft/state"
	"holdfast/snapshot/source/raft/state/statetest"
)

// entriesInTheClear are those that a server with a Shamir seal does not encrypt with its keyring.
var entriesInTheClear = []string{"core/cluster/local/name", "core/lock", "core/seal-config"}

func TestThreeOfFiveSharesAuthenticateEveryEntry(t *testing.T) {
	s := theSample(t)
	start := busy(t)
	proof, err := s.keyring(t).Prove(t.Context(), bytes.NewReader(s.bin))
	took := busy(t) - start // not the time that others had the processors
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(len(entries(t, s.bin))); proof.Entries != n || proof.Authenticated != n-int64(len(entriesInTheClear)) {
		t.Errorf("%d of %d entries are authentic, there are %d", proof.Authenticated, proof.Entries, n)
	}
	if d := cmp.Diff(entriesInTheClear, proof.Plain); d != "" {
		t.Errorf("in the clear: %s", d)
	}
	t.Logf("%d secrets, %d entries, %d bytes: %v", secrets, proof.Entries, len(s.bin), took)
	if took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// busy is how long this process has had a processor.
func busy(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestAProofListsWhatTheServerLists(t *testing.T) {
	s := theSample(t)
	proof, err := s.keyring(t).Prove(t.Context(), bytes.NewReader(s.bin))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		got  []barrier.Mount
	}{{"sys/mounts", proof.Mounts}, {"sys/auth", proof.AuthMethods}, {"sys/audit", proof.Audit}} {
		listed, _ := s.server.OK(t, http.MethodGet, c.path, nil)["data"].(map[string]any)
		want, got := map[string]string{}, map[string]string{}
		for path, m := range listed {
			m := m.(map[string]any)
			options, _ := m["options"].(map[string]any)
			want[path] = fmt.Sprint(m["type"], m["uuid"], m["local"])
			if c.path == "sys/mounts" {
				want[path] += fmt.Sprint(options["version"])
			}
			if m["uuid"] == nil { // the server tells no UUIDs of audit devices
				want[path] = fmt.Sprint(m["type"], m["local"])
			}
		}
		for _, m := range c.got {
			got[m.Path] = fmt.Sprint(m.Type, m.UUID, m.Local)
			switch c.path {
			case "sys/mounts":
				version := any(m.Options["version"])
				if version == "" {
					version = nil
				}
				got[m.Path] += fmt.Sprint(version)
			case "sys/audit":
				got[m.Path] = fmt.Sprint(m.Type, m.Local)
				if m.Options != nil {
					t.Errorf("options of an audit device are told")
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", c.path, d)
		}
		if !slices.IsSortedFunc(c.got, func(a, b barrier.Mount) int { return strings.Compare(a.Path, b.Path) }) {
			t.Errorf("%s: not sorted", c.path)
		}
	}
	data, _ := s.server.OK(t, "LIST", "sys/policies/acl", nil)["data"].(map[string]any)
	var want []string
	for _, name := range data["keys"].([]any) {
		if name != "root" { // which is built in and not stored
			want = append(want, name.(string))
		}
	}
	got := slices.DeleteFunc(slices.Clone(proof.Policies), func(name string) bool {
		return name == "control-group" || name == "response-wrapping" // stored and not listed
	})
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("policies: %s", d)
	}
}

func TestNodesOfAClusterKeepNothingElseInTheClear(t *testing.T) {
	cluster := fixtures.VaultCluster(t, 3)
	leader := cluster.Leader(t)
	bin, err := stateOf(bytes.NewReader(leader.Snapshot(t)))
	if err != nil {
		t.Fatal(err)
	}
	proof, err := unseal(t, bin, leader.Keys).Prove(t.Context(), bytes.NewReader(bin))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(entriesInTheClear, proof.Plain); d != "" {
		t.Error(d)
	}
}

// Tables as other servers write them: an entry for each mount, within a namespace, compressed by
// other means.
func TestTablesOfOtherServersAreRead(t *testing.T) {
	s := theSample(t)
	k := s.keyring(t)
	const one = `{"table":"mounts","path":"inner/","type":"kv","uuid":"u","backend_aware_uuid":"b","options":{"version":"2"}}`
	list := small(t, s)
	add := func(key, value string) {
		list = append(list, state.Entry{Key: key, Value: k.Encrypt(key, []byte(value))})
	}
	add("namespaces/n1/core/mounts/u", one)
	add("namespaces/n1/core/local-auth", `{"type":"auth","entries":[{"path":"jwt/","type":"jwt","uuid":"v","options":null}]}`)
	add("namespaces/n1/sys/policy/reader", `{}`)
	add("core/local-mounts/x", "S\xff\x06\x00\x00sNaPpY")

	proof, err := k.Prove(t.Context(), bytes.NewReader(binOf(list)))
	if err != nil {
		t.Fatal(err)
	}
	want := barrier.Mount{Path: "inner/", Type: "kv", UUID: "u", Namespace: "n1", Options: map[string]string{"version": "2"}, BackendUUID: "b"}
	if d := cmp.Diff(want, proof.Mounts[len(proof.Mounts)-1]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(barrier.Mount{Path: "jwt/", Type: "jwt", UUID: "v", Namespace: "n1", Local: true}, proof.AuthMethods[len(proof.AuthMethods)-1]); d != "" {
		t.Error(d)
	}
	if !slices.Contains(proof.Policies, "n1/reader") {
		t.Errorf("policies %v", proof.Policies)
	}
	if d := cmp.Diff([]string{"core/local-mounts/x"}, proof.Unread); d != "" {
		t.Error(d)
	}
}

// Version 1 is what the oldest servers wrote. It does not bind the key.
func TestValuesOfTheFirstVersionAreRead(t *testing.T) {
	s := theSample(t)
	k := s.keyring(t)
	e := state.Entry{Key: "sys/policy/old", Value: k.EncryptAs(1, "sys/policy/old", []byte("old"))}
	plain, err := k.Open(e)
	if err != nil || string(plain) != "old" {
		t.Errorf("%q, %v", plain, err)
	}
	e.Value[len(e.Value)-1] ^= 1
	if _, err := k.Open(e); !errors.Is(err, barrier.ErrUnauthentic) || !strings.Contains(err.Error(), "sys/policy/old") {
		t.Errorf("got %v", err)
	}
}

func TestAProofReadsAsJSON(t *testing.T) {
	s := theSample(t)
	proof, err := s.keyring(t).Prove(t.Context(), bytes.NewReader(s.bin))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	var again map[string]any
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	want := []string{"audit", "auth_methods", "authenticated", "entries", "mounts", "plain", "policies", "terms"}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(again))); d != "" {
		t.Error(d)
	}
}

// A stream of any length takes the same memory.
func TestAProofTakesBoundedMemory(t *testing.T) {
	s := theSample(t)
	k := s.keyring(t)
	value := k.Encrypt("logical/x", make([]byte, 3000))
	one := statetest.Append(nil, state.Entry{Key: "logical/x", Value: value})
	many := bytes.Repeat(one, 1000)
	const rounds = 100 // 300 MB
	readers := []io.Reader{bytes.NewReader(s.bin)}
	for range rounds {
		readers = append(readers, bytes.NewReader(many))
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	proof, err := k.Prove(t.Context(), io.MultiReader(readers...))
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if proof.Authenticated < rounds*1000 {
		t.Errorf("%d entries", proof.Authenticated)
	}
	took := after.TotalAlloc - before.TotalAlloc // ever, so garbage too
	t.Logf("%d MB of memory for %d MB of entries", took>>20, rounds*len(many)>>20)
	if took > 32<<20 {
		t.Errorf("it took %d bytes", took)
	}
}

func BenchmarkProve(b *testing.B) {
	s := theSample(b)
	k := s.keyring(b)
	b.SetBytes(int64(len(s.bin)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Prove(b.Context(), bytes.NewReader(s.bin)); err != nil {
			b.Fatal(err)
		}
	}
}
