package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	classicKey  = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	classicKey2 = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"
)

// base is a whole configuration to which tests add what they are about.
const base = `repository: {url: "s3://bucket/prefix"}
keys: {recipients: [` + classicKey + `], escrow: [` + classicKey2 + `]}
vaults:
  desktop: {kind: sqlite, path: vault.db}
`

func TestDesignExampleIsRead(t *testing.T) {
	text := strings.ReplaceAll(`
repository: {url: "s3://acme-vault-backups/prod?region=eu-central-1", lock: {mode: governance, days: 35}}
keys: {recipients: [KEY], escrow: [KEY2], host: /etc/holdfast/host.key}
vaults:
  payments: {kind: postgres, url: env:PAYMENTS_DSN, tables: [vault_secrets, vault_audit], owner: payments, tier: 1,
             objectives: {rpo: 26h, rto: 30m}, audit: {table: vault_audit, preset: php-vault}}
  desktop:  {kind: sqlite, path: /srv/vault/vault.db}
  core:     {kind: raft, address: "https://vault:8200", auth: {method: approle, role_id: abc, secret_id: file:/run/secret-id}}
jobs:
  nightly: {vaults: [payments, core], cron: "0 2 * * *", timezone: Europe/Berlin, jitter: 5m, catch_up: 12h, timeout: 2h,
            retries: 3, retention: standard, verify: content}
  drills:  {drill: [payments, core], cron: "0 5 * * 0"}
retention: {standard: {last: 3, hourly: 24, daily: 30, weekly: 12, monthly: 12, yearly: 6}}
alerts: [{url: env:SLACK_URL, on: [failure, recovery, stale]}, {ping: "https://hc.example/abc"}]
report: {organization: Acme, system: Payments platform, frameworks: [soc2, hipaa]}
`, "KEY2", classicKey2)
	c := parse(t, strings.ReplaceAll(text, "KEY", classicKey))

	if got, want := c.VaultNames(), []string{"core", "desktop", "payments"}; !cmp.Equal(got, want) {
		t.Errorf("vaults %v, want %v", got, want)
	}
	p := c.Vaults["payments"]
	if p.Kind != KindPostgres || p.Name != "payments" || p.Owner != "payments" || p.Tier != 1 {
		t.Errorf("payments is %+v", p)
	}
	if p.Objectives != (Objectives{Duration(26 * time.Hour), Duration(30 * time.Minute)}) {
		t.Errorf("objectives %+v", p.Objectives)
	}
	if got := p.Postgres.URL.Reference(); got != "env:PAYMENTS_DSN" {
		t.Errorf("url refers to %q", got)
	}
	want := &Job{Vaults: []string{"payments", "core"}, Cron: "0 2 * * *", Timezone: "Europe/Berlin",
		Jitter: Duration(5 * time.Minute), CatchUp: Duration(12 * time.Hour), Timeout: Duration(2 * time.Hour),
		Retries: 3, Retention: "standard", Verify: "content"}
	if diff := cmp.Diff(want, c.Jobs["nightly"]); diff != "" {
		t.Errorf("nightly (-want +got):\n%s", diff)
	}
	if got := *c.Retention["standard"]; got != (Retention{3, 24, 30, 12, 12, 6}) {
		t.Errorf("standard is %+v", got)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	c := parse(t, base+"jobs: {j: {vaults: [desktop]}}\nalerts: [{url: env:X}]\n")
	got := map[string]any{
		"lease": c.Repository.Lease.String(), "host": c.Keys.Host, "busy": c.Vaults["desktop"].SQLite.BusyTimeout.String(),
		"path": c.Vaults["desktop"].SQLite.Path, "memory": c.Limits.Memory.String(), "compression": c.Limits.Compression,
		"zone": c.Jobs["j"].Timezone, "retries": c.Jobs["j"].Retries, "timeout": c.Jobs["j"].Timeout.String(),
		"engine": c.Schedule.Engine, "on": c.Alerts[0].On,
	}
	want := map[string]any{
		"lease": "10m", "host": Path("/conf/host.key"), "busy": "5s", "path": Path("/conf/vault.db"),
		"memory": "200MiB", "compression": "fastest", "zone": "UTC", "retries": 2, "timeout": "6h",
		"engine": "local", "on": []string{"failure", "recovery", "stale"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestZeroIsNotMistakenForAbsent(t *testing.T) {
	c := parse(t, base+"jobs: {j: {vaults: [desktop], retries: 0, jitter: 0}}\n")
	if c.Jobs["j"].Retries != 0 {
		t.Errorf("retries %d, want the 0 of the file", c.Jobs["j"].Retries)
	}
}

func TestAliasesAndMergeKeysAreFollowed(t *testing.T) {
	c := parse(t, `repository: {url: "s3://bucket/prefix"}
keys: {recipients: [&me `+classicKey+`], escrow: [*me]}
vaults:
  a: &common {kind: files, path: a, owner: ops, exclude: ["*.tmp"]}
  b: {<<: *common, path: b}
`)
	b := c.Vaults["b"]
	if b.Owner != "ops" || b.Files.Path != "/conf/b" || len(b.Files.Exclude) != 1 {
		t.Errorf("b is %+v %+v", b.VaultCommon, b.Files)
	}
}

func TestMissingFileIsNamed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none.yaml")
	_, err := Load(name)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
		t.Errorf("got %v", err)
	}
}

func TestLoadTakesPathsFromTheFilesFolder(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "holdfast.yaml")
	if err := os.WriteFile(name, []byte(base), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if want := Path(filepath.Join(dir, "vault.db")); c.Vaults["desktop"].SQLite.Path != want || c.Dir() != dir {
		t.Errorf("path %s in %s, want %s", c.Vaults["desktop"].SQLite.Path, c.Dir(), want)
	}
}

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("/conf/holdfast.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
