package snapshot_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/fixtures/faulty"
	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

// getsOf counts what a run reads from the store.
func getsOf(t *testing.T, r *testrepo.Repo, cache *snapshot.Cache, src snapshot.Source) (int64, *snapshot.Manifest) {
	t.Helper()
	counted := store.Counted(r.Store)
	taker := r.Taker("vault", counted)
	taker.Cache = cache
	m, err := taker.Take(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	return counted.Counts().Gets, m
}

func TestIndexesAreReadOnceAndThenFromTheCache(t *testing.T) {
	r := testrepo.Dir(t)
	cache := &snapshot.Cache{Dir: t.TempDir()}
	var gets []int64
	for i := range 6 {
		n, _ := getsOf(t, r, cache, testrepo.Source{"db": testrepo.Secrets(300_000, uint64(i))})
		gets = append(gets, n)
	}
	if gets[5] != gets[2] {
		t.Errorf("reads grow with the number of indexes: %v", gets)
	}
	without, _ := getsOf(t, r, nil, testrepo.Source{"db": testrepo.Secrets(300_000, 9)})
	if without <= gets[5] {
		t.Errorf("%d reads without a cache, %d with", without, gets[5])
	}
}

func TestATornOrLostCacheCostsTimeOnly(t *testing.T) {
	r := testrepo.Dir(t)
	dir := t.TempDir()
	cache := &snapshot.Cache{Dir: dir}
	src := testrepo.Source{"db": testrepo.Secrets(300_000, 1)}
	for range 2 {
		getsOf(t, r, cache, src)
	}
	torn := 0
	if err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		torn++
		clear(b[len(b)/2:])
		return os.WriteFile(path, b, 0o600)
	}); err != nil || torn == 0 {
		t.Fatalf("%d cached files, %v", torn, err)
	}
	_, m := getsOf(t, r, cache, src)
	if m.Totals.NewPacks != 0 {
		t.Errorf("%d packs were stored again", m.Totals.NewPacks)
	}
	readAll(t, r, m)
	catalog := r.Catalog()
	catalog.Cache = cache
	if list, err := catalog.List(t.Context(), "vault"); err != nil || len(list) != 3 || list[0].Err != nil {
		t.Errorf("listed: %v, %v", list, err)
	}
}

// TestAnotherHostsIndexesDoNotConfuse lets two hosts, each with a key of its own, write one vault in turn.
func TestAnotherHostsIndexesDoNotConfuse(t *testing.T) {
	r := testrepo.Dir(t)
	src := testrepo.Source{"db": testrepo.Secrets(300_000, 1)}
	other, err := snapshot.NewHostKey("other-host")
	if err != nil {
		t.Fatal(err)
	}
	trust, err := snapshot.NewTrust(r.Host.Signer.Verifier, other.Signer.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	r.Trust = trust
	first := *r.Taker("vault", nil)
	if _, err := first.Take(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	second := r.Taker("vault", nil)
	second.Host = other
	m, err := second.Take(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	if m.Totals.NewPacks == 0 {
		t.Error("a host used chunks that it cannot know")
	}
	readAll(t, r, m)
	if back := r.Take(t, "vault", src); back.Totals.NewPacks != 0 {
		t.Errorf("the first host lost sight of its own: %d new packs", back.Totals.NewPacks)
	}
}

func TestARepositoryWhoseAnswerWasLostIsMade(t *testing.T) {
	h, err := snapshot.NewHostKey("host")
	if err != nil {
		t.Fatal(err)
	}
	r := testrepo.Dir(t)
	if err := r.Store.Delete(t.Context(), snapshot.RepositoryKey); err != nil {
		t.Fatal(err)
	}
	bad := faulty.New(r.Store, faulty.Fault{Verb: faulty.Put, Nth: 1, Stored: true})
	if _, err := snapshot.Create(t.Context(), bad, h.Signer, time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := snapshot.Create(t.Context(), r.Store, h.Signer, time.Now()); err == nil || !strings.Contains(err.Error(), "exist") {
		t.Errorf("a second one: %v", err)
	}
}
