package barrier_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultkv"
	"holdfast/restore/target/raft/barrier"
)

// Every path of the sample is listed, and one secret in fifty read: each takes a pass.
func TestSecretsAreThoseThatTheServerHas(t *testing.T) {
	s := theSample(t)
	kv := kvOf(t, s, s.bin)
	var got []string
	for _, m := range kv.Mounts() {
		paths, err := kv.List(t.Context(), m.Path, "")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSorted(paths) {
			t.Errorf("%s: not sorted", m.Path)
		}
		for _, path := range paths {
			got = append(got, m.Path+path)
		}
	}
	slices.Sort(got)
	var want []string
	for key := range s.want {
		want = append(want, key)
	}
	slices.Sort(want)
	if len(want) < secrets {
		t.Fatalf("the sample has %d secrets", len(want))
	}
	if !slices.Equal(want, got) {
		t.Fatalf("%d secrets are listed, the server has %d", len(got), len(want))
	}
	seen := map[string]int{}
	for i, key := range want {
		secret := s.want[key]
		if i%50 != 0 && !rare(secret, seen) {
			continue
		}
		read, err := kv.Get(t.Context(), secret.Mount, secret.Path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(secret, asServed(t, secret.Mount, secret.KV, read)); d != "" {
			t.Errorf("%s: %s", key, d)
		}
	}
	for _, what := range []string{"deleted", "destroyed", "pruned", "custom", "kv1"} {
		if seen[what] == 0 {
			t.Errorf("the sample has no secret that is %s", what)
		}
	}
}

// rare reports whether s shows something that few of those before it showed.
func rare(s vaultkv.Secret, seen map[string]int) bool {
	found := false
	note := func(what string, is bool) {
		if is && seen[what] < 5 {
			seen[what]++
			found = true
		}
	}
	for _, v := range s.Versions {
		note("deleted", v.Deleted)
		note("destroyed", v.Destroyed)
	}
	note("pruned", s.Oldest > 0)
	note("custom", len(s.Settings.Custom) > 0)
	note("kv1", s.KV == 1)
	note("odd", strings.ContainsAny(s.Path, "%?# "))
	return found
}

// asServed returns s as the server's API tells it, which gives no data of a deleted version.
func asServed(t *testing.T, mount string, version int, s barrier.Secret) vaultkv.Secret {
	t.Helper()
	x := vaultkv.Secret{Mount: mount, Path: s.Path, KV: version}
	if version == 1 {
		x.Data = canonical(t, s.Versions[0].Data, true)
		return x
	}
	x.Current, x.Oldest, x.Versions = int(s.Current), int(s.Oldest), map[int]vaultkv.Version{}
	x.Settings = vaultkv.Settings{MaxVersions: int(s.MaxVersions), CASRequired: s.CASRequired, DeleteVersionAfter: s.DeleteVersionAfter.String(), Custom: s.CustomMetadata}
	for _, v := range s.Versions {
		served := vaultkv.Version{Deleted: !v.Deleted.IsZero() && v.Deleted.Before(time.Now()), Destroyed: v.Destroyed}
		switch {
		case v.Lost || v.Destroyed != (v.Data == nil):
			t.Errorf("version %d of %s: lost %v, destroyed %v, %d bytes", v.Number, s.Path, v.Lost, v.Destroyed, len(v.Data))
		case v.Created.Before(time.Now().Add(-time.Hour)) || v.Created.After(time.Now()):
			t.Errorf("version %d of %s is of %v", v.Number, s.Path, v.Created)
		case !served.Deleted && !served.Destroyed:
			served.Data = canonical(t, v.Data, false)
		}
		x.Versions[int(v.Number)] = served
	}
	return x
}

// canonical returns data with its keys sorted. The API of KV v2 sends numbers as far as a float
// holds them; what is stored, and read here, is exact.
func canonical(t *testing.T, data json.RawMessage, exact bool) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	if exact {
		d.UseNumber()
	}
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNumbersAreThoseThatWereWritten(t *testing.T) {
	const data = `{"long":12345678901234567890123,"exact":1.10,"tiny":1e-7}`
	path := "folder/exact"
	server := fixtures.Vault(t)
	server.OK(t, "POST", "sys/mounts/two", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	server.OK(t, "POST", "two/data/"+path, map[string]any{"data": json.RawMessage(data)})
	bin, err := stateOf(bytes.NewReader(server.Snapshot(t)))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := unseal(t, bin, server.Keys).KV(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(bin)), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := kv.Get(t.Context(), "two", path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(canonical(t, json.RawMessage(data), true), canonical(t, got.Versions[0].Data, true)); d != "" {
		t.Error(d)
	}
}

func TestAPrefixListsWhatIsBelow(t *testing.T) {
	s := theSample(t)
	kv := kvOf(t, s, s.bin)
	all, err := kv.List(t.Context(), "apps", "")
	if err != nil {
		t.Fatal(err)
	}
	folder, _, ok := strings.Cut(all[len(all)/2], "/")
	if !ok {
		t.Fatalf("%s is in no folder", all[len(all)/2])
	}
	want := slices.DeleteFunc(slices.Clone(all), func(path string) bool { return !strings.HasPrefix(path, folder+"/") })
	got, err := kv.List(t.Context(), "apps/", folder+"/")
	if err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 || len(want) == len(all) || !slices.Equal(want, got) {
		t.Errorf("%d secrets below %s, want %d of %d", len(got), folder, len(want), len(all))
	}
}

func TestAPathIsSplitAtItsMount(t *testing.T) {
	s := theSample(t)
	mounts := []barrier.Mount{
		{Path: "team/", Type: "kv", UUID: "1"}, {Path: "team/shared/", Type: "kv", UUID: "2"},
		{Path: "transit/", Type: "transit", UUID: "3"}, {Path: "team/", Type: "kv", UUID: "4", Namespace: "n"},
	}
	for range 2 {
		slices.Reverse(mounts)
		kv, err := s.keyring(t).KV(t.Context(), s.open, mounts)
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{
			"team/a/b": "1 a/b", "team/shared/a": "2 a", "team/shared": "1 shared", "n/team/x": "4 x",
			"transit/keys": "", "teams/a": "", "": "",
		} {
			m, within, ok := kv.Split(path)
			got := m.UUID + " " + within
			if !ok {
				got = ""
			}
			if got != want {
				t.Errorf("%q is %q, want %q", path, got, want)
			}
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	s := theSample(t)
	kv := kvOf(t, s, s.bin)
	for _, c := range []struct{ mount, path string }{
		{"apps", "no/such/secret"}, {"legacy", "no/such/secret"}, {"nowhere", "a"}, {"apps", ""}, {"sys", "policy/default"},
	} {
		if _, err := kv.Get(t.Context(), c.mount, c.path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of %s: got %v", c.path, c.mount, err)
		}
	}
	if _, err := kv.List(t.Context(), "nowhere", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func kvOf(t *testing.T, s *sample, bin []byte) *barrier.KV {
	t.Helper()
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(bin)), nil }
	kv, err := s.keyring(t).KV(t.Context(), open, nil)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, m := range kv.Mounts() {
		paths = append(paths, fmt.Sprint(m.Path, m.Versioned()))
	}
	if d := cmp.Diff([]string{"apps/true", "legacy/false", "team/shared/true"}, paths); d != "" {
		t.Fatal(d)
	}
	return kv
}
