package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where PostgreSQL is missing or does not start, the demo says so in one line and goes on.
func TestDemoGoesOnWithoutPostgreSQL(t *testing.T) {
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "initdb"), []byte("#!/bin/sh\nprintf 'no luck\\ntoday\\n' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for bin, want := range map[string]string{t.TempDir(): "is not installed here", broken: "initdb"} {
		t.Setenv("POSTGRES_BIN", bin)
		var out bytes.Buffer
		d := &demonstration{app: &app{stdout: &out}, dir: t.TempDir()}
		if err := d.startPostgres(t.Context()); err != nil || d.pg != nil {
			t.Errorf("server %v, error %v", d.pg, err)
		}
		said := strings.TrimSpace(out.String())
		if !strings.HasPrefix(said, "# no vault on PostgreSQL in this demo: ") || !strings.Contains(said, want) || strings.Contains(said, "\n") {
			t.Errorf("it says %q, want one line with %q", said, want)
		}
		if err := d.stopPostgres(); err != nil {
			t.Error(err)
		}
	}
}

// A demo that ends early leaves no server behind.
func TestDemoStopsItsServerAfterAFailure(t *testing.T) {
	temp, err := os.MkdirTemp("", "demo")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil { // PostgreSQL's user has to get there
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	a := &app{stdout: &out, stderr: &swappable{w: new(bytes.Buffer)}}
	if err := a.demo(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was cancelled", err)
	}
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("%s is left", e.Name())
	}
}
