package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultd"
)

// byHand returns the shell lines of the README's section "Restore by hand".
func byHand(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## Restore by hand\n")
	_, lines, fenced := strings.Cut(section, "```sh\n")
	lines, _, closed := strings.Cut(lines, "```\n")
	if !ok || !fenced || !closed {
		t.Fatal("the README has no lines for a restore by hand")
	}
	return lines
}

// TestTheReadmesLinesRestoreByHand runs them as they stand, for each kind of vault and each class
// of key, with age, zstd and jq alone.
func TestTheReadmesLinesRestoreByHand(t *testing.T) {
	age := fixtures.Binary(t, "age")
	lines := byHand(t)
	for _, class := range []string{"hybrid", "classic"} {
		t.Run(class, func(t *testing.T) {
			l := newLab(t, "", 500)
			if class == "classic" {
				l = newLabWith(t, "", 500, []string{"--classic"})
			}
			store := filepath.Join(l.dir, "store-d")
			if err := vaultd.Generate(store, vaultd.Options{Secrets: 40, Seed: 5}); err != nil {
				t.Fatal(err)
			}
			replaceInFile(t, l.config, "vaults:\n", "vaults:\n  local: {kind: files, path: "+store+"}\n")
			l.must("snapshot", "--all", "--quiet")
			sqlite := l.byHand(age, lines, "app", "vault.db")
			out, err := exec.Command("sqlite3", sqlite, "PRAGMA integrity_check; SELECT count(*) FROM secrets").CombinedOutput()
			if err != nil || string(out) != "ok\n500\n" {
				t.Errorf("sqlite3 says %q, %v", out, err)
			}
			tree := l.byHand(age, lines, "local", "tree.tar")
			to := t.TempDir()
			if out, err := exec.Command("tar", "-x", "--numeric-owner", "-C", to, "-f", tree).CombinedOutput(); err != nil {
				t.Fatalf("tar: %v: %s", err, out)
			}
			if out, err := exec.Command("diff", "-r", store, to).CombinedOutput(); err != nil {
				t.Errorf("the tree differs: %s", out)
			}
			if secrets, err := vaultd.Decrypt(to); err != nil || len(secrets) != 40 {
				t.Errorf("the store opens with %d secrets, %v", len(secrets), err)
			}
		})
	}
}

// byHand runs lines in a copy of one vault and returns the file they made.
func (l *lab) byHand(age, lines, vault, stream string) string {
	l.t.Helper()
	dir := filepath.Join(l.t.TempDir(), vault)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(l.dir, "repository", "vaults", vault))); err != nil {
		l.t.Fatal(err)
	}
	ids, err := os.ReadDir(filepath.Join(dir, "snapshots"))
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", lines)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(age)+":"+os.Getenv("PATH"),
		"ID="+ids[len(ids)-1].Name(), "IDENTITY="+l.identity(), "STREAM="+stream)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("%s by hand: %v: %s", stream, err, out)
	}
	return filepath.Join(dir, "stream")
}
