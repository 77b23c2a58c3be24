package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/everything"
	"holdfast/fixtures/vaultd"
	"holdfast/fixtures/vaultkv"
	rafttarget "holdfast/restore/target/raft"
	"holdfast/snapshot/source/raft"
)

// byHand returns the shell lines of the README's section "Restore by hand": those for every kind of
// vault, and those that follow them for a PostgreSQL vault and for a Raft snapshot.
func byHand(t *testing.T) (lines, database, cluster string) {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## Restore by hand\n")
	section, _, closed := strings.Cut(section, "\n## ")
	var blocks []string
	for _, block := range strings.Split(section, "```sh\n")[1:] {
		text, _, _ := strings.Cut(block, "```\n")
		blocks = append(blocks, text)
	}
	if !ok || !closed || len(blocks) != 3 {
		t.Fatalf("the README has %d blocks of lines for a restore by hand, want 3", len(blocks))
	}
	return blocks[0], blocks[1], blocks[2]
}

// TestTheReadmesLinesRestoreByHand runs them as they stand, for each kind of vault and each class
// of key, with age, zstd and jq alone.
func TestTheReadmesLinesRestoreByHand(t *testing.T) {
	age := fixtures.Binary(t, "age")
	lines, _, _ := byHand(t)
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
func (l *lab) byHand(age, lines, vault, stream string, env ...string) string {
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
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("%s by hand: %v: %s", stream, err, out)
	}
	return filepath.Join(dir, "stream")
}

// TestTheReadmesLinesRestoreADatabaseByHand brings back a schema that has everything with psql alone.
func TestTheReadmesLinesRestoreADatabaseByHand(t *testing.T) {
	age, server := fixtures.Binary(t, "age"), fixtures.Postgres(t)
	lines, database, _ := byHand(t)
	from, to := server.Create(t, ""), server.Create(t, "")
	if err := everything.Load(t.Context(), server.SocketURL(from)); err != nil {
		t.Fatal(err)
	}
	l := newLab(t, "", 10, "VAULT_DSN="+server.SocketURL(from))
	replaceInFile(t, l.config, "vaults:\n", "vaults:\n  db: {kind: postgres, url: env:VAULT_DSN}\n")
	l.must("snapshot", "db", "--quiet")
	l.byHand(age, lines+database, "db", "schema/pre-data.sql", "PGHOST="+server.Socket, "PGPORT="+strconv.Itoa(server.Port),
		"PGUSER="+server.User, "PGPASSWORD="+server.Password, "PGDATABASE="+to)
	want, got := sorted(server.Dump(t, from)), sorted(server.Dump(t, to))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pg_dump does not say the same of both:\n%s", diff)
	}
}

// TestTheReadmesLinesRestoreAClusterByHand makes an archive that a fresh server takes.
func TestTheReadmesLinesRestoreAClusterByHand(t *testing.T) {
	age := fixtures.Binary(t, "age")
	from, to := fixtures.VaultWith(t, fixtures.VaultOptions{Shares: 5, Threshold: 3}), fixtures.VaultWith(t, fixtures.VaultOptions{Shares: 5, Threshold: 3})
	want := vaultkv.Fill(t, from, 100).Expected()
	lines, _, cluster := byHand(t)
	l := newLab(t, "", 10, "CORE_TOKEN="+from.Token(t, raft.Policy))
	replaceInFile(t, l.config, "vaults:\n", "vaults:\n  core: {kind: raft, address: \""+from.Address+"\", auth: {method: token, token: env:CORE_TOKEN}}\n")
	l.must("snapshot", "core", "--quiet")
	dir := filepath.Dir(l.byHand(age, lines+cluster, "core", "meta.json"))
	snap, err := os.Open(filepath.Join(dir, "raft.snap"))
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	if status, message := to.Restore(t, snap, true); status != 204 {
		t.Fatalf("the server answers %d: %s", status, message)
	}
	to.WaitSealed(t)
	to.Keys, to.Threshold, to.RootToken = from.Keys, from.Threshold, from.RootToken
	to.Unseal(t)
	if diff := cmp.Diff(want, vaultkv.Secrets(t, to)); diff != "" || len(want) == 0 {
		t.Errorf("%d secrets; restored are others:\n%s", len(want), diff)
	}
}

// TestTheReadmeShowsTheLeastPolicies holds them against those that are tested.
func TestTheReadmeShowsTheLeastPolicies(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range []string{raft.Policy, rafttarget.Policy} {
		var shown strings.Builder
		for line := range strings.Lines(policy) {
			if line != "\n" {
				shown.WriteString("    ")
			}
			shown.WriteString(line)
		}
		if !strings.Contains(string(b), shown.String()) {
			t.Errorf("the README does not show\n%s", policy)
		}
	}
}

// sorted puts the lines of a dump in order: the rows of a table have none.
func sorted(dump string) []string {
	lines := strings.Split(dump, "\n")
	slices.Sort(lines)
	return lines
}
