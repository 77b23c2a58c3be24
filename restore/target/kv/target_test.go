package kv

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultkv"
	"holdfast/restore"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/kv/kvtest"
	"holdfast/snapshot/source/vaultapi"
)

var shared fixtures.SharedVault

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// server logs in with exactly the rights of a policy.
func server(t testing.TB, s *fixtures.VaultServer, policy string) *vaultapi.Server {
	t.Helper()
	token := s.Token(t, policy)
	return &vaultapi.Server{Addresses: []string{s.Address},
		Auth: vaultapi.Auth{Method: "token", Token: func() (string, error) { return token, nil }}}
}

// dump dumps mounts with exactly the rights that the source says it needs.
func dump(t testing.TB, s *fixtures.VaultServer, mounts ...vaultkv.Mount) *kvtest.Dump {
	t.Helper()
	return dumper(t, s, mounts...)()
}

// dumper is dump, again and again.
func dumper(t testing.TB, s *fixtures.VaultServer, mounts ...vaultkv.Mount) func() *kvtest.Dump {
	t.Helper()
	policy := kv.Policy
	src := &kv.Source{}
	for _, m := range mounts {
		src.Mounts = append(src.Mounts, m.Path)
		policy += sourceRights(m)
	}
	src.Server = server(t, s, policy)
	return func() *kvtest.Dump {
		t.Helper()
		d := &kvtest.Dump{}
		must(t, src.Dump(t.Context(), d))
		return d
	}
}

// target may write to mounts, and make them if create is set, and nothing else.
func target(t testing.TB, s *fixtures.VaultServer, create bool, mounts ...vaultkv.Mount) *Target {
	t.Helper()
	policy := Policy
	for _, m := range mounts {
		rights := map[int]string{1: PolicyV1, 2: PolicyV2}[m.Version]
		if create {
			rights += PolicyCreate
		}
		policy += strings.ReplaceAll(rights, "MOUNT", m.Path)
	}
	return &Target{Server: server(t, s, policy), Create: create}
}

// mount makes an engine.
func mount(t testing.TB, s *fixtures.VaultServer, version int) vaultkv.Mount {
	t.Helper()
	return vaultkv.Mount{Path: s.MountKV(t, version), Version: version}
}

func put(t testing.TB, s *fixtures.VaultServer, m vaultkv.Mount, path string, data any) {
	t.Helper()
	names := strings.Split(path, "/")
	for i := range names {
		names[i] = url.PathEscape(names[i])
	}
	if m.Version == 1 {
		s.OK(t, http.MethodPost, m.Path+"/"+strings.Join(names, "/"), data)
		return
	}
	s.OK(t, http.MethodPost, m.Path+"/data/"+strings.Join(names, "/"), map[string]any{"data": data})
}

// content reads a mount by other code than ours, and leaves out which mount it is.
func content(t testing.TB, s *fixtures.VaultServer, m vaultkv.Mount) map[string]vaultkv.Secret {
	t.Helper()
	all := map[string]vaultkv.Secret{}
	for _, x := range vaultkv.Secrets(t, s, m.Path) {
		x.Mount = ""
		all[x.Path] = x
	}
	return all
}

// load does what restore.Run does.
func load(t testing.TB, to *Target, d restore.Dump) restore.Loaded {
	t.Helper()
	loaded, err := restore.Run(t.Context(), d, to)
	must(t, err)
	return loaded
}

func TestEverySecretComesBackOnAFreshServer(t *testing.T) {
	from := shared.Get(t)
	sample, err := vaultkv.Generate(from, vaultkv.Options{Secrets: 600, Prefix: "fresh-"})
	must(t, err)
	d := dump(t, from, sample.Mounts...)
	if _, err := (Checker{}).Check(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	to := fixtures.Vault(t)
	loaded := load(t, target(t, to, true, sample.Mounts...), d)
	var names []string
	for _, m := range sample.Mounts {
		names = append(names, m.Path)
	}
	want := sample.Expected()
	if diff := cmp.Diff(want, vaultkv.Secrets(t, to, names...)); diff != "" {
		t.Errorf("(-want +got):\n%.3000s", diff)
	}
	var rows int64
	for _, s := range loaded.Streams {
		rows += s.Rows
	}
	if rows != int64(len(want)) {
		t.Errorf("%d secrets loaded of %d: %+v", rows, len(want), loaded)
	}
	again := dump(t, to, sample.Mounts...)
	changes, err := (&Target{Server: server(t, from, allRights), Rehearse: true}).Difference(t.Context(), again)
	if err != nil || len(changes) != 0 {
		t.Errorf("differences: %v, %v", changes, err)
	}
}

const allRights = `path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }`

func TestSecretsThatAreThereAreRefused(t *testing.T) {
	s := shared.Get(t)
	for _, version := range []int{1, 2} {
		from, to := mount(t, s, version), mount(t, s, version)
		put(t, s, from, "a/one", map[string]any{"n": 1})
		put(t, s, from, "a/two", map[string]any{"n": 2})
		d := dump(t, s, from)
		put(t, s, to, "a/two", map[string]any{"n": "other"})
		before := content(t, s, to)
		x := target(t, s, false, to)
		x.Mount = to.Path
		for name, err := range map[string]error{"Preflight": x.Preflight(t.Context(), d), "Load": second(x.Load(t.Context(), d))} {
			if !errors.Is(err, restore.ErrOccupied) || !strings.Contains(err.Error(), "a/two") {
				t.Errorf("KV v%d: %s: %v", version, name, err)
			}
		}
		if diff := cmp.Diff(before, content(t, s, to)); diff != "" {
			t.Errorf("KV v%d: it was changed: %s", version, diff)
		}
		x.Replace = true
		load(t, x, d)
		if diff := cmp.Diff(content(t, s, from), content(t, s, to)); diff != "" {
			t.Errorf("KV v%d: replaced (-want +got):\n%s", version, diff)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestAllThatStandsInTheWayIsToldAtOnce(t *testing.T) {
	s := shared.Get(t)
	there, gone, other := mount(t, s, 2), mount(t, s, 2), mount(t, s, 1)
	for _, m := range []vaultkv.Mount{there, gone, other} {
		put(t, s, m, "x", map[string]any{"n": 1})
	}
	d := dump(t, s, there, gone, other)
	s.OK(t, http.MethodDelete, "sys/mounts/"+gone.Path, nil)
	s.OK(t, http.MethodDelete, "sys/mounts/"+other.Path, nil)
	must(t, s.MountKVAt(other.Path, 2))
	x := target(t, s, false, there, gone)
	err := x.Preflight(t.Context(), d)
	var problems restore.Problems
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Fatalf("problems: %v", err)
	}
	if !errors.Is(err, ErrNoMount) || !errors.Is(err, restore.ErrOccupied) ||
		!strings.Contains(err.Error(), gone.Path+" is missing") || !strings.Contains(err.Error(), other.Path+" is KV v2") {
		t.Errorf("%v", err)
	}
	if _, err := x.Load(t.Context(), d); !errors.Is(err, ErrNoMount) {
		t.Errorf("Load: %v", err)
	}
	weak := &Target{Server: server(t, s, kv.Policy+Policy+strings.ReplaceAll(kv.PolicyV2, "MOUNT", there.Path)), Only: []string{there.Path}}
	if err := weak.Preflight(t.Context(), d); !errors.Is(err, ErrRights) || !strings.Contains(err.Error(), "update on "+there.Path+"/delete/x") {
		t.Errorf("rights: %v", err)
	}
}

func TestRehearsalTellsTheDifferenceAndWritesNothing(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	for _, name := range []string{"same", "older", "missing", "settings"} {
		put(t, s, from, name, map[string]any{"secret": "hunter2-" + name})
		put(t, s, to, name, map[string]any{"secret": "hunter2-" + name})
	}
	put(t, s, from, "older", map[string]any{"secret": "hunter2-new"})
	s.OK(t, http.MethodDelete, to.Path+"/metadata/missing", nil)
	s.OK(t, http.MethodPost, from.Path+"/metadata/settings", map[string]any{"max_versions": 4})
	put(t, s, to, "stranger", map[string]any{"n": 1})
	d := dump(t, s, from)
	before := content(t, s, to)
	// The rights of a reader are enough.
	x := &Target{Server: server(t, s, Policy+strings.ReplaceAll(kv.PolicyV2, "MOUNT", to.Path)), Mount: to.Path, Rehearse: true}
	want := []restore.Change{
		{Name: to.Path + "/missing", Change: "added", Detail: "version 1; 1 versions, 0 deleted, 0 destroyed"},
		{Name: to.Path + "/older", Change: "changed", Detail: "version 1 there, 2 in the snapshot; version 2"},
		{Name: to.Path + "/settings", Change: "changed", Detail: "settings or custom metadata"},
	}
	got, err := x.Difference(t.Context(), d)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	loaded := load(t, x, d)
	notes := strings.Join(loaded.Notes, "\n")
	if !strings.Contains(notes, "changed: "+to.Path+"/older, version 1 there, 2 in the snapshot") || !strings.Contains(notes, ErrRights.Error()) || strings.Contains(notes, "hunter2") {
		t.Errorf("notes:\n%s", notes)
	}
	if diff := cmp.Diff(before, content(t, s, to)); diff != "" {
		t.Errorf("a rehearsal changed %s", diff)
	}
}

func TestAPartIsRestoredToAnotherMount(t *testing.T) {
	s := shared.Get(t)
	from, to := mount(t, s, 2), mount(t, s, 2)
	for i := range 300 {
		put(t, s, from, fmt.Sprintf("team%d/app%03d", i%3, i), map[string]any{"n": strings.Repeat(fmt.Sprint(i), 800)})
	}
	d := dump(t, s, from)
	all := content(t, s, from)
	x := target(t, s, false, to)
	x.Mount, x.Only = to.Path, []string{from.Path + "/team1/app00*", from.Path + "/team2/app299", from.Path + "/no-such"}
	d.Read.Store(0)
	loaded := load(t, x, d)
	want := map[string]vaultkv.Secret{}
	for _, name := range []string{"team1/app001", "team1/app004", "team1/app007", "team2/app299"} {
		want[name] = all[name]
	}
	if diff := cmp.Diff(want, content(t, s, to)); diff != "" {
		t.Errorf("(-want +got):\n%.2000s", diff)
	}
	if notes := strings.Join(loaded.Notes, "\n"); !strings.Contains(notes, from.Path+"/no-such matches nothing") {
		t.Errorf("notes %s", notes)
	}
	index, lines := int64(len(d.Bytes(kv.IndexStream(from.Path)))), int64(len(d.Bytes(kv.LinesStream(from.Path))))
	t.Logf("%d bytes read of an index of %d and lines of %d", d.Read.Load(), index, lines)
	if d.Read.Load() > 7*index+2*40_000 { // each of the two calls logs in, plans, and looks; two of lines
		t.Errorf("%d bytes read", d.Read.Load())
	}
	x.Only = []string{"no-such/**"}
	if err := x.Preflight(t.Context(), d); !errors.Is(err, ErrNoMatch) {
		t.Errorf("nothing chosen: %v", err)
	}
}

// sourceRights are what the source needs to read a mount.
func sourceRights(m vaultkv.Mount) string {
	return strings.ReplaceAll(map[int]string{1: kv.PolicyV1, 2: kv.PolicyV2}[m.Version], "MOUNT", m.Path)
}
