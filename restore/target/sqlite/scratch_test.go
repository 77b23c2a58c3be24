package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/restore"
)

// named makes a scratch as newScratch does where files cannot be without a name.
func named(t *testing.T, path, content string) *scratch {
	t.Helper()
	f, err := os.CreateTemp(filepath.Dir(path), hidden(path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	return &scratch{File: f, name: f.Name()}
}

func TestNamedScratchTakesReplacesAndVanishes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "v.db")
	for _, step := range []struct {
		content string
		do      func(*scratch) error
		err     error
		want    string
	}{
		{"one", func(s *scratch) error { return s.take(path) }, nil, "one"},
		{"two", func(s *scratch) error { return s.take(path) }, restore.ErrOccupied, "one"},
		{"three", func(s *scratch) error { return s.replace(path) }, nil, "three"},
		{"four", func(s *scratch) error { return nil }, nil, "three"},
	} {
		s := named(t, path, step.content)
		if err := step.do(s); !errors.Is(err, step.err) {
			t.Errorf("%s: %v, want %v", step.content, err, step.err)
		}
		if err := s.discard(); err != nil {
			t.Error(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if diff := cmp.Diff(step.want, string(got)); diff != "" || err != nil || len(entries) != 1 {
			t.Errorf("%s: %v, %v, %v", step.content, diff, err, entries)
		}
	}
}
