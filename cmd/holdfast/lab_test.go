package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/fixtures/vaultc"
)

// A lab is a configured host with a SQLite vault called app, whose program runs as processes
// of their own.
type lab struct {
	t      testing.TB
	dir    string
	config string
	vault  vaultc.Vault
	env    []string
}

// newLab makes a host that stores in url; empty means a folder of the lab.
func newLab(t testing.TB, url string, secrets int, env ...string) *lab {
	t.Helper()
	return newLabWith(t, url, secrets, nil, env...)
}

// newLabWith passes flags on to init.
func newLabWith(t testing.TB, url string, secrets int, flags []string, env ...string) *lab {
	t.Helper()
	dir := t.TempDir()
	l := &lab{t: t, dir: dir, config: filepath.Join(dir, "holdfast.yaml"),
		env: append(append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache")), env...)}
	if url == "" {
		url = "file://" + filepath.Join(dir, "repository")
	}
	var err error
	if l.vault, err = vaultc.Generate(t.Context(), filepath.Join(dir, "vault"), vaultc.Options{Secrets: secrets, Seed: 7}); err != nil {
		t.Fatal(err)
	}
	l.must(append([]string{"init", "--repository", url, "--vault", "app=sqlite://" + l.vault.Database}, flags...)...)
	return l
}

// command is one call of the program, which testscript.Main put into PATH.
func (l *lab) command(args ...string) *exec.Cmd {
	cmd := exec.Command("holdfast", append(args, "--config", l.config)...)
	cmd.Env, cmd.Dir = l.env, l.dir
	return cmd
}

func (l *lab) must(args ...string) string {
	l.t.Helper()
	var errs strings.Builder
	cmd := l.command(args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		l.t.Fatalf("holdfast %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

// listed reads the ids that list shows; one that is shown damaged fails the test.
func (l *lab) listed() []string {
	l.t.Helper()
	var doc struct {
		Snapshots []struct{ ID, Error string }
	}
	if err := json.Unmarshal([]byte(l.must("list", "--json")), &doc); err != nil {
		l.t.Fatal(err)
	}
	var ids []string
	for _, s := range doc.Snapshots {
		if s.Error != "" {
			l.t.Fatalf("a broken snapshot is listed: %s: %s", s.ID, s.Error)
		}
		ids = append(ids, s.ID)
	}
	return ids
}

func (l *lab) identity() string { return filepath.Join(l.dir, "identity.txt") }

func replaceInFile(t testing.TB, path, old, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), old, text, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited a minute for nothing")
		}
	}
}
