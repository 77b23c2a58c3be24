package kv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/snapshot/source/kv/kvtest"
	"holdfast/snapshot/source/vaultapi"
)

var shared fixtures.SharedVault

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// source reads the given mounts with exactly the rights that the package says it needs.
func source(t testing.TB, s *fixtures.VaultServer, policy string, mounts ...string) *Source {
	t.Helper()
	token := s.Token(t, policy)
	return &Source{Mounts: mounts, Server: &vaultapi.Server{Addresses: []string{s.Address},
		Auth: vaultapi.Auth{Method: "token", Token: func() (string, error) { return token, nil }}}}
}

func policyFor(v2, v1 []string) string {
	policy := Policy
	for _, m := range v2 {
		policy += strings.ReplaceAll(PolicyV2, "MOUNT", m)
	}
	for _, m := range v1 {
		policy += strings.ReplaceAll(PolicyV1, "MOUNT", m)
	}
	return policy
}

func dump(t testing.TB, src *Source) *kvtest.Dump {
	t.Helper()
	d := &kvtest.Dump{}
	if err := src.Dump(t.Context(), d); err != nil {
		t.Fatalf("Dump: %v", err)
	}
	if left := d.Unsealed(); left != nil {
		t.Fatalf("not sealed: %q", left)
	}
	return d
}

// secrets reads the secrets of one mount out of a dump, by their paths.
func secrets(t testing.TB, d *kvtest.Dump, mount string) map[string]*Secret {
	t.Helper()
	mounts, err := Mounts(d.Streams())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*Secret{}
	for _, f := range mounts {
		if f.Mount != mount {
			continue
		}
		l := NewLines(f, bytes.NewReader(d.Bytes(IndexStream(mount))), bytes.NewReader(d.Bytes(LinesStream(mount))))
		for s, _, err := l.Next(); ; s, _, err = l.Next() {
			if err != nil {
				if err.Error() != "EOF" {
					t.Fatal(err)
				}
				return all
			}
			all[s.Path] = s
		}
	}
	t.Fatalf("the dump has no mount %s", mount)
	return nil
}

func escape(path string) string {
	names := strings.Split(path, "/")
	for i := range names {
		names[i] = url.PathEscape(names[i])
	}
	return strings.Join(names, "/")
}

func put(t testing.TB, s *fixtures.VaultServer, mount, path string, data any) {
	t.Helper()
	s.OK(t, http.MethodPost, mount+"/data/"+escape(path), map[string]any{"data": data})
}

func paths(all map[string]*Secret) map[string]bool {
	names := map[string]bool{}
	for p := range all {
		names[p] = true
	}
	return names
}

var oddNames = []string{"a", "a/b", "a/b/c/d/e/f", "a-b", "a0", "a!", "with space", "ümläut/ß", "per%cent", "per%2Fcent", "q?x=1", "hash#tag",
	"plus+plus", "amp&ersand", "semi;colon", "quote\"s", "back\\slash", "<html>", "star*", "brack[et]", "コンテナ/秘密", ".hidden", "dot.s", "~tilde", "com,ma=eq:col@at$"}

func TestEveryNameIsFoundUnderItsName(t *testing.T) {
	s := shared.Get(t)
	v2, v1 := s.MountKV(t, 2), s.MountKV(t, 1)
	want := map[string]bool{}
	for _, name := range oddNames {
		put(t, s, v2, name, map[string]any{"name": name})
		s.OK(t, http.MethodPost, v1+"/"+escape(name), map[string]any{"name": name})
		want[name] = true
	}
	d := dump(t, source(t, s, policyFor([]string{v2}, []string{v1}), v2, v1))
	for mount, all := range map[string]map[string]*Secret{v1: secrets(t, d, v1), v2: secrets(t, d, v2)} {
		if diff := cmp.Diff(want, paths(all)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", mount, diff)
		}
		for name, secret := range all {
			data := secret.Data
			if mount == v2 {
				data = secret.Versions[0].Data
			}
			var got struct{ Name string }
			if err := json.Unmarshal(data, &got); err != nil || got.Name != name {
				t.Errorf("%s/%q holds %q, %v", mount, name, data, err)
			}
		}
	}
}

func TestEveryStateOfAVersionIsKept(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	for i := range 5 {
		put(t, s, m, "app", map[string]any{"n": i, "text": "<&>\u2028", "deep": map[string]any{"list": []any{1.5, nil, true}}})
	}
	s.OK(t, http.MethodPost, m+"/delete/app", map[string]any{"versions": []int{2}})
	s.OK(t, http.MethodPut, m+"/destroy/app", map[string]any{"versions": []int{3}})
	s.OK(t, http.MethodPost, m+"/metadata/app", map[string]any{"max_versions": 7, "cas_required": true,
		"delete_version_after": "36h", "custom_metadata": map[string]string{"owner": "payments"}})
	for i := range 14 {
		put(t, s, m, "pruned", map[string]any{"n": i})
	}
	put(t, s, m, "dead", map[string]any{"n": 1})
	s.OK(t, http.MethodDelete, m+"/data/dead", nil)
	s.OK(t, http.MethodPost, m+"/metadata/bare", map[string]any{"custom_metadata": map[string]string{"note": "no version"}})
	put(t, s, m, "empty", map[string]any{})
	d := dump(t, source(t, s, policyFor([]string{m}, nil), m))
	all := secrets(t, d, m)

	states := map[string]string{}
	for path, secret := range all {
		st, err := secret.State()
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%d..%d:", st.Oldest, st.Current)
		for _, v := range st.Versions {
			text += fmt.Sprintf(" %d", v.Number)
			if v.Destroyed {
				text += "x"
			} else if !v.Live() {
				text += "d"
			}
		}
		states[path] = text
	}
	want := map[string]string{"app": "0..5: 1 2d 3x 4 5", "pruned": "5..14: 5 6 7 8 9 10 11 12 13 14", "dead": "0..1: 1d", "bare": "0..0:", "empty": "0..1: 1"}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	st, _ := all["app"].State()
	if st.MaxVersions != 7 || !st.CASRequired || st.DeleteAfter.Hours() != 36 || st.Custom["owner"] != "payments" {
		t.Errorf("settings: %+v", st)
	}
	facts, _ := Mounts(d.Streams())
	if f := facts[0]; f.Versions != 17 || f.Deleted != 2 || f.Destroyed != 1 || f.Version != 2 {
		t.Errorf("facts: %+v", f)
	}
}

func TestDataIsKeptByteForByte(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 1)
	body := `{"big":123456789012345678901234567890,"exact":0.1000000000000000055511151231257827,"exp":1E40,"html":"<a href=\"x\">&</a>","zero":-0}`
	s.OK(t, http.MethodPost, m+"/numbers", json.RawMessage(body))
	got := secrets(t, dump(t, source(t, s, policyFor(nil, []string{m}), m)), m)["numbers"].Data
	var answer struct {
		Data json.RawMessage `json:"data"`
	}
	raw := rawGet(t, s, m+"/numbers")
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, answer.Data) {
		t.Errorf("kept %s\nserver says %s", got, answer.Data)
	}
	if !bytes.Contains(got, []byte("123456789012345678901234567890")) || !bytes.Contains(got, []byte("1E40")) {
		t.Errorf("numbers were changed: %s", got)
	}
}

func rawGet(t testing.TB, s *fixtures.VaultServer, path string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Address+"/v1/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", s.RootToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnchangedMountDumpsToTheSameBytes(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	for i := range 200 {
		put(t, s, m, fmt.Sprintf("team%d/app%d", i%7, i), map[string]any{"n": i})
	}
	src := source(t, s, policyFor([]string{m}, nil), m)
	src.Exclude = []string{"documents/policies"} // other tests make policies
	a := dump(t, src)
	src.Workers = 1
	b := dump(t, src)
	for _, name := range []string{LinesStream(m), IndexStream(m)} {
		if !bytes.Equal(a.Bytes(name), b.Bytes(name)) {
			t.Errorf("%s differs", name)
		}
	}
	put(t, s, m, "team3/app3", map[string]any{"n": "a longer value than before"})
	c := dump(t, src)
	before, after := bytes.Split(a.Bytes(LinesStream(m)), []byte("\n")), bytes.Split(c.Bytes(LinesStream(m)), []byte("\n"))
	changed := 0
	for i := range before {
		if !bytes.Equal(before[i], after[i]) {
			changed++
		}
	}
	if changed != 1 || len(before) != len(after) {
		t.Errorf("%d of %d lines changed", changed, len(before))
	}
}
