package state_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/tools"
	"holdfast/fixtures/vaultkv"
	"holdfast/snapshot/source/raft/state"
)

// The census of a real server's snapshot is compared with what its API lists, mount by mount, and with
// what the server's own program counts in the file.
func TestACensusCountsWhatTheServerHas(t *testing.T) {
	server := fixtures.Vault(t)
	sample := vaultkv.Fill(t, server, 300)
	server.OK(t, http.MethodPost, "sys/auth/approle", map[string]any{"type": "approle"})
	server.OK(t, http.MethodPost, "auth/approle/role/app", map[string]any{"token_policies": "default"})
	archive := server.Snapshot(t)
	census := censusOf(t, archive)

	counted := map[string]int64{}
	for _, g := range census.Groups {
		counted[strings.TrimSpace(g.Kind+" "+g.UUID)] += g.Entries
	}
	uuids := uuidsOf(t, server)
	want, got := map[string]int64{}, map[string]int64{}
	for _, m := range sample.Mounts {
		for _, kind := range []string{state.KindKVMetadata, state.KindKVVersion, state.KindEngine} {
			got[m.Path+" "+kind] = counted[kind+" "+uuids[m.Path+"/"]]
			want[m.Path+" "+kind] = 0
		}
	}
	for _, s := range vaultkv.Secrets(t, server) {
		if s.KV == 1 {
			want[s.Mount+" "+state.KindEngine]++
			continue
		}
		want[s.Mount+" "+state.KindKVMetadata]++
		for _, v := range s.Versions {
			if !v.Destroyed { // a deleted version has its data still
				want[s.Mount+" "+state.KindKVVersion]++
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, kind := range []string{state.KindCore, state.KindPolicy, state.KindToken, state.KindSystem} {
		if counted[kind] == 0 {
			t.Errorf("no entry of kind %s", kind)
		}
	}
	if counted[state.KindOther] != 0 || census.Unordered != 0 || census.FoldedFrom != "" {
		t.Errorf("%d entries of other kinds, %d out of order, folded from %q", counted[state.KindOther], census.Unordered, census.FoldedFrom)
	}
	if n := inspected(t, archive); n != census.Entries {
		t.Errorf("%d entries, and the server's program counts %d", census.Entries, n)
	}
}

// The package says what is visible without a key and what is not. Here is a server with all of it.
func TestNamesAreVisibleAsThePackageSays(t *testing.T) {
	server := fixtures.Vault(t)
	for path, body := range map[string]map[string]any{
		"sys/mounts/visible-one":                   {"type": "kv", "options": map[string]string{"version": "1"}},
		"sys/mounts/hidden-two":                    {"type": "kv", "options": map[string]string{"version": "2"}},
		"sys/mounts/hidden-transit":                {"type": "transit", "description": "hidden-description"},
		"sys/auth/visible-leases":                  {"type": "approle"},
		"sys/auth/hidden-users":                    {"type": "userpass"},
		"sys/policies/acl/visible-policy":          {"policy": `path "hidden-text/*" { capabilities = ["read"] }`},
		"sys/policies/password/visible-generation": {"policy": "length = 20\nrule \"charset\" { charset = \"abcdefghij\" }"},
	} {
		server.OK(t, http.MethodPost, path, body)
	}
	for path, body := range map[string]map[string]any{
		"visible-one/visible-folder/visible-secret":    {"a": "hidden-value"},
		"hidden-two/data/hidden-folder/hidden-secret":  {"data": map[string]any{"a": "hidden-value"}},
		"hidden-two/metadata/hidden-folder/hidden-too": {"custom_metadata": map[string]string{"hidden-key": "hidden-owner"}},
		"hidden-transit/keys/visible-key":              nil,
		"auth/visible-leases/role/visible-role":        {"token_policies": "visible-policy"},
		"auth/hidden-users/users/visible-user":         {"password": "hidden-password"},
		"identity/entity":                              {"name": "hidden-entity"},
	} {
		server.OK(t, http.MethodPost, path, body)
	}
	role := server.OK(t, http.MethodGet, "auth/visible-leases/role/visible-role/role-id", nil)["data"].(map[string]any)
	secret := server.OK(t, http.MethodPost, "auth/visible-leases/role/visible-role/secret-id", nil)["data"].(map[string]any)
	server.OK(t, http.MethodPost, "auth/visible-leases/login", map[string]any{"role_id": role["role_id"], "secret_id": secret["secret_id"]})

	bin := stateOf(t, server.Snapshot(t))
	for _, name := range []string{
		"visible-policy", "visible-generation", "visible-folder/visible-secret", "visible-key", "visible-role", "visible-user",
		"sys/expire/id/auth/visible-leases/login/", `"secret_threshold":1`, `"type":"shamir"`,
	} {
		if !bytes.Contains(bin, []byte(name)) {
			t.Errorf("%s is not to be seen", name)
		}
	}
	if i := bytes.Index(bin, []byte("hidden")); i >= 0 {
		t.Errorf("seen: %q", bin[max(0, i-40):i+40])
	}
	if bytes.Contains(bin, []byte("visible-one")) { // a mount's path, where no lease has it
		t.Error("the path of a mount is seen")
	}
}

// inspected returns how many entries the server's own program finds.
func inspected(t *testing.T, archive []byte) int64 {
	t.Helper()
	program, err := tools.Find("vault")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "snapshot")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "operator", "raft", "snapshot", "inspect", "-format=json", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var told struct{ TotalCountKV int64 }
	if err := json.Unmarshal(out, &told); err != nil {
		t.Fatal(err)
	}
	return told.TotalCountKV
}

func uuidsOf(t *testing.T, server *fixtures.VaultServer) map[string]string {
	t.Helper()
	data, _ := server.OK(t, http.MethodGet, "sys/mounts", nil)["data"].(map[string]any)
	uuids := map[string]string{}
	for path, m := range data {
		uuids[path] = fmt.Sprint(m.(map[string]any)["uuid"])
	}
	return uuids
}

func censusOf(t *testing.T, archive []byte) state.Census {
	t.Helper()
	list, err := all(bytes.NewReader(stateOf(t, archive)))
	if err != nil {
		t.Fatal(err)
	}
	var c state.Counter
	for _, e := range list {
		c.Add(e)
	}
	return c.Census()
}

// stateOf returns the member state.bin of a snapshot.
func stateOf(t *testing.T, archive []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	members := tar.NewReader(z)
	for h := (*tar.Header)(nil); h == nil || h.Name != "state.bin"; {
		if h, err = members.Next(); err != nil {
			t.Fatal(err)
		}
	}
	bin, err := io.ReadAll(members)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}
