package store_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/storetest"
	"holdfast/snapshot"
	"holdfast/snapshot/store"
	"holdfast/snapshot/store/dir"
)

func open(t *testing.T) *dir.Store {
	t.Helper()
	s, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func put(t *testing.T, s store.Store, key, body string) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(body), snapshot.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s store.Store, key string, r snapshot.Range) string {
	t.Helper()
	body, err := s.Get(t.Context(), key, r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func keys(t *testing.T, s store.Store) []string {
	t.Helper()
	var all []string
	for o, err := range s.List(context.WithoutCancel(t.Context()), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Key)
	}
	return all
}

func TestCountedStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return store.Counted(open(t)) })
}

func TestCountsAreOfCallsAndBytes(t *testing.T) {
	s := store.Counted(open(t))
	put(t, s, "a", "12345")
	put(t, s, "b", "")
	if err := s.Put(t.Context(), "a", []byte("123"), snapshot.PutOptions{}); err == nil {
		t.Error("stored twice")
	}
	read(t, s, "a", snapshot.Range{Offset: 1, Length: 2})
	if _, err := s.Get(t.Context(), "none", snapshot.Range{}); err == nil {
		t.Error("read what is not there")
	}
	keys(t, s)
	version, err := s.Swap(t.Context(), "r", []byte("1234567"), "")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.Load(t.Context(), "r"); err != nil || r.Version != version {
		t.Errorf("loaded %q, %v", r.Version, err)
	}
	if err := s.Delete(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	want := store.Counts{Puts: 3, Gets: 2, Lists: 1, Deletes: 1, Loads: 1, Swaps: 1, Sent: 5 + 3 + 7, Received: 2 + 7, Listed: 2}
	if diff := cmp.Diff(want, s.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestReadOnlyStoreChangesNothing(t *testing.T) {
	under := store.Counted(open(t))
	put(t, under, "a", "body")
	before := under.Counts()
	s := store.ReadOnly(under)
	for verb, err := range map[string]error{
		"put":    s.Put(t.Context(), "b", []byte("x"), snapshot.PutOptions{}),
		"delete": s.Delete(t.Context(), "a"),
		"swap":   func() error { _, err := s.Swap(t.Context(), "r", []byte("x"), ""); return err }(),
	} {
		if !errors.Is(err, snapshot.ErrDenied) {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if diff := cmp.Diff(before, under.Counts()); diff != "" {
		t.Errorf("the store below was asked (-before +after):\n%s", diff)
	}
	if got := read(t, s, "a", snapshot.Range{}); got != "body" {
		t.Errorf("read %q", got)
	}
	if diff := cmp.Diff([]string{"a"}, keys(t, s)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if r, err := s.Load(t.Context(), "a"); err != nil || string(r.Body) != "body" {
		t.Errorf("loaded %q, %v", r.Body, err)
	}
}
