package kv

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot/source/kv/kvtest"
	"holdfast/snapshot/source/vaultapi"
)

func TestWhatMayNotBeReadIsAnError(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	put(t, s, m, "open/a", map[string]any{"n": 1})
	put(t, s, m, "closed/b", map[string]any{"n": 1})
	put(t, s, m, "half/c", map[string]any{"n": 1})
	policy := policyFor([]string{m}, nil)
	for denied, rule := range map[string]string{
		"closed": fmt.Sprintf("path \"%s/metadata/closed/*\" { capabilities = [\"deny\"] }\n", m),
		"half":   fmt.Sprintf("path \"%s/data/half/*\" { capabilities = [\"deny\"] }\n", m),
	} {
		src := source(t, s, policy+rule, m)
		if err := src.Dump(t.Context(), &kvtest.Dump{}); !errors.Is(err, vaultapi.ErrDenied) || !strings.Contains(err.Error(), m+"/"+denied) {
			t.Errorf("%s: %v", denied, err)
		}
		src.Exclude = []string{m + "/" + denied + "/**"}
		d := dump(t, src)
		if all := secrets(t, d, m); len(all) != 2 || all["open/a"] == nil {
			t.Errorf("%s excluded: %v", denied, paths(all))
		}
		if facts, _ := Mounts(d.Streams()); facts[0].Excluded != 1 {
			t.Errorf("%s: %d excluded", denied, facts[0].Excluded)
		}
	}
}

func TestDocumentsMayBeExcludedAndNotMissed(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	put(t, s, m, "a", map[string]any{"n": 1})
	name := s.Policy(t, `path "x" { capabilities = ["read"] }`)
	d := dump(t, source(t, s, policyFor([]string{m}, nil), m))
	if got := string(d.Bytes("documents/policies/" + name + ".hcl")); got != `path "x" { capabilities = ["read"] }` {
		t.Errorf("policy %q", got)
	}
	for _, doc := range []string{MountsDocument, AuthDocument} {
		if !json.Valid(d.Bytes(doc)) {
			t.Errorf("%s: %q", doc, d.Bytes(doc))
		}
	}
	small := "path \"sys/mounts\" { capabilities = [\"read\"] }\n" + strings.ReplaceAll(PolicyV2, "MOUNT", m)
	more := small + "path \"sys/auth\" { capabilities = [\"read\"] }\n"
	if err := source(t, s, more, m).Dump(t.Context(), &kvtest.Dump{}); !errors.Is(err, vaultapi.ErrDenied) {
		t.Errorf("policies were missed: %v", err)
	}
	src := source(t, s, small, m)
	if err := src.Dump(t.Context(), &kvtest.Dump{}); !errors.Is(err, vaultapi.ErrDenied) {
		t.Errorf("documents were missed: %v", err)
	}
	src.Exclude = []string{"documents/**"}
	if streams := dump(t, src).Streams(); len(streams) != 2 {
		t.Errorf("streams %v", streams)
	}
}

func TestNothingToDumpIsAnError(t *testing.T) {
	s := shared.Get(t)
	empty := s.MountKV(t, 2)
	for _, c := range []struct {
		mounts []string
		want   error
	}{
		{[]string{empty}, ErrEmpty},
		{[]string{"no-such-mount"}, ErrMissing},
		{[]string{empty + "/folder"}, ErrMissing},
		{[]string{"sys"}, ErrMissing},
	} {
		src := source(t, s, policyFor([]string{empty}, nil), c.mounts...)
		if err := src.Dump(t.Context(), &kvtest.Dump{}); !errors.Is(err, c.want) {
			t.Errorf("%q: %v", c.mounts, err)
		}
	}
}

func TestAPartOfAMountCanBeChosen(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	for _, name := range []string{"app", "app/db", "app/x/y", "app-2", "app-2/z", "other", "app0"} {
		put(t, s, m, name, map[string]any{"name": name})
	}
	src := source(t, s, policyFor([]string{m}, nil), m+"/app", m+"/app-2/", m+"/app/x")
	src.Exclude = []string{m + "/**/z"}
	want := map[string]bool{"app": true, "app/db": true, "app/x/y": true, "app-2": true}
	if diff := cmp.Diff(want, paths(secrets(t, dump(t, src), m))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNamesAreSortedAsPathsAre(t *testing.T) {
	w := &walk{Reader: Reader{Mount: Mount{Path: "m"}}}
	got := w.keep("", []string{"b", "a/", "a0", "a-b", "a", "a"})
	if diff := cmp.Diff([]string{"a", "a-b", "a/", "a0", "b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
