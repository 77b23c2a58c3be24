package kv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot"
	"holdfast/snapshot/source/kv/kvtest"
	"holdfast/snapshot/source/vaultapi"
)

// TestFolderThatIsListedAndDeniedExistenceIsAnError has a proxy between that hides one folder.
func TestFolderThatIsListedAndDeniedExistenceIsAnError(t *testing.T) {
	s := shared.Get(t)
	for _, version := range []int{1, 2} {
		m := s.MountKV(t, version)
		put := func(path string) {
			if version == 1 {
				s.OK(t, http.MethodPost, m+"/"+path, map[string]any{"n": 1})
				return
			}
			put(t, s, m, path, map[string]any{"n": 1})
		}
		put("a")
		put("dir/sub/b")
		src := source(t, s, map[int]string{1: policyFor(nil, []string{m}), 2: policyFor([]string{m}, nil)}[version], m)
		through(t, src.Server, func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "/dir/sub", "/dir/none", 1) })
		if err := src.Dump(t.Context(), &kvtest.Dump{}); !errors.Is(err, ErrHidden) {
			t.Errorf("KV v%d: %v", version, err)
		}
	}
}

func TestFolderThatIsEmptiedDuringTheWalkIsCounted(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	put(t, s, m, "a", map[string]any{"n": 1})
	put(t, s, m, "folder/c", map[string]any{"n": 1})
	src := source(t, s, policyFor([]string{m}, nil), m)
	var once sync.Once
	through(t, src.Server, func(r *http.Request) {
		if strings.Contains(r.URL.Path, "/metadata/folder") {
			once.Do(func() { s.OK(t, http.MethodDelete, m+"/metadata/folder/c", nil) })
		}
	})
	d := dump(t, src)
	if facts, _ := Mounts(d.Streams()); facts[0].Gone != 1 || len(secrets(t, d, m)) != 1 {
		t.Errorf("%+v", facts[0])
	}
}

// TestVersionWithATimeToEndThatIsDeletedIsReadAgain deletes a version that is to expire, between the metadata and the data.
func TestVersionWithATimeToEndThatIsDeletedIsReadAgain(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	s.OK(t, http.MethodPost, m+"/metadata/x", map[string]any{"delete_version_after": "1h"})
	put(t, s, m, "x", map[string]any{"n": 1})
	put(t, s, m, "x", map[string]any{"n": 2})
	src := source(t, s, policyFor([]string{m}, nil), m)
	var once sync.Once
	through(t, src.Server, func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/data/x") && r.URL.Query().Get("version") == "2" {
			once.Do(func() { s.OK(t, http.MethodPost, m+"/delete/x", map[string]any{"versions": []int{2}}) })
		}
	})
	d := dump(t, src)
	_, now := s.API(t, http.MethodGet, m+"/metadata/x", nil)
	st, err := secrets(t, d, m)["x"].State()
	if err != nil {
		t.Fatal(err)
	}
	want := now["data"].(map[string]any)["versions"].(map[string]any)["2"].(map[string]any)["deletion_time"]
	if v := st.Versions[1]; v.Live() || v.Deletion != want {
		t.Errorf("deleted at %q, kept as %q, live %v", want, v.Deletion, v.Live())
	}
}

// TestChosenFolderNeedsNoRightToTheSecretOfItsName may read what is below a folder alone.
func TestChosenFolderNeedsNoRightToTheSecretOfItsName(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	put(t, s, m, "app/db", map[string]any{"n": 1})
	policy := Policy + fmt.Sprintf("path %q { capabilities = [\"read\"] }\n", m+"/config") +
		fmt.Sprintf("path %q { capabilities = [\"list\", \"read\"] }\n", m+"/metadata/app/*") +
		fmt.Sprintf("path %q { capabilities = [\"read\"] }\n", m+"/data/app/*")
	src := source(t, s, policy, m+"/app")
	if err := src.Dump(t.Context(), &kvtest.Dump{}); !errors.Is(err, vaultapi.ErrDenied) || !strings.Contains(err.Error(), `"=`+m+`/app"`) {
		t.Errorf("no hint what to exclude: %v", err)
	}
	src.Exclude = []string{"=" + m + "/app"}
	if got := paths(secrets(t, dump(t, src), m)); len(got) != 1 || !got["app/db"] {
		t.Errorf("%v", got)
	}
}

// remembering is a dump that knows the one before.
type remembering struct {
	*kvtest.Dump
	before []snapshot.StreamInfo
}

func (r remembering) Before(context.Context) ([]snapshot.StreamInfo, error) { return r.before, nil }

func TestMountThatVanishedOrShrankIsAWarningThatNamesNothing(t *testing.T) {
	s := shared.Get(t)
	vanishes, shrinks, stays := s.MountKV(t, 2), s.MountKV(t, 1), s.MountKV(t, 2)
	for i := range 5 {
		put(t, s, vanishes, fmt.Sprint("s", i), map[string]any{"n": i})
		s.OK(t, http.MethodPost, fmt.Sprint(shrinks, "/s", i), map[string]any{"n": i})
		put(t, s, stays, fmt.Sprint("s", i), map[string]any{"n": i})
	}
	policy := policyFor([]string{vanishes, stays}, []string{shrinks})
	first := dump(t, source(t, s, policy, vanishes, shrinks, stays))
	s.OK(t, http.MethodDelete, stays+"/metadata/s0", nil)
	for i := range 3 {
		s.OK(t, http.MethodDelete, fmt.Sprint(shrinks, "/s", i), nil)
	}
	second := remembering{&kvtest.Dump{}, first.Streams()}
	if err := source(t, s, policy, shrinks, stays).Dump(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	want := []string{"a KV mount of 5 secrets is gone; diff shows which", "a KV mount of 5 secrets has 2 now; diff shows which"}
	got := map[string]bool{}
	for _, w := range second.Warnings {
		got[w] = true
	}
	if diff := cmp.Diff(map[string]bool{want[0]: true, want[1]: true}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again := remembering{&kvtest.Dump{}, second.Streams()}
	if err := source(t, s, policy, shrinks, stays).Dump(t.Context(), again); err != nil || len(again.Warnings) > 0 {
		t.Errorf("%v, %q", err, again.Warnings)
	}
}

func TestPolicyIsExcludedByTheNameOfItsStream(t *testing.T) {
	s := shared.Get(t)
	m := s.MountKV(t, 2)
	put(t, s, m, "a", map[string]any{"n": 1})
	name := s.Policy(t, `path "x" { capabilities = ["read"] }`)
	src := source(t, s, policyFor([]string{m}, nil), m)
	src.Exclude = []string{"documents/policies/" + name + ".hcl"}
	if dump(t, src).Bytes("documents/policies/"+name+".hcl") != nil {
		t.Error("it is there")
	}
}

// TestAnswerWithoutDataIsAnError has a proxy between that answers 200 and nothing, as balancers and wrapped answers do.
func TestAnswerWithoutDataIsAnError(t *testing.T) {
	s := shared.Get(t)
	for _, version := range []int{1, 2} {
		m := s.MountKV(t, version)
		if version == 1 {
			s.OK(t, http.MethodPost, m+"/a", map[string]any{"n": 1})
		} else {
			put(t, s, m, "a", map[string]any{"n": 1})
		}
		other := s.MountKV(t, 2)
		put(t, s, other, "b", map[string]any{"n": 1})
		for _, empty := range []string{`{}`, `{"request_id":"x","data":null,"wrap_info":{"token":"x"}}`} {
			for _, what := range []string{"sys/mounts", "sys/auth", "sys/policies/acl", m, m + "/a", m + "/config", m + "/metadata", m + "/metadata/a"} {
				src := source(t, s, policyFor([]string{m, other}, []string{m}), m, other)
				upstream, err := url.Parse(s.Address)
				if err != nil {
					t.Fatal(err)
				}
				proxy := httputil.NewSingleHostReverseProxy(upstream)
				hit := false
				front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.TrimSuffix(r.URL.Path, "/") == "/v1/"+what {
						hit = true
						_, _ = io.WriteString(w, empty)
						return
					}
					proxy.ServeHTTP(w, r)
				}))
				src.Server.Addresses = []string{front.URL}
				err = src.Dump(t.Context(), &kvtest.Dump{})
				front.Close()
				if hit && err == nil {
					t.Errorf("KV v%d: %s answered %s, and that made a dump", version, what, empty)
				}
			}
		}
	}
}
