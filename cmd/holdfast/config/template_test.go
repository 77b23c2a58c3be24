package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplateIsAConfiguration(t *testing.T) {
	var vaults []VaultSpec
	for _, v := range [][2]string{
		{"payments", "postgres://u:" + canary + "@db:5432/vault?sslmode=require"},
		{"audit", "postgres://u@db/audit"},
		{"desktop", "sqlite:///srv/va ult/v%20#1.db"},
		{"local", "files:///srv/secrets"},
		{"core", "vault+https://vault.example:8200"},
	} {
		spec, err := ParseVaultURL(v[0], v[1])
		if err != nil {
			t.Fatal(err)
		}
		vaults = append(vaults, spec)
	}
	b, err := Template(TemplateOptions{
		Repository: "s3://bucket/prefix?region=eu-central-1&path_style=true", Recipients: []string{"file:recipients.txt", sshKeyFixed + " ops: eu"},
		Escrow: []string{classicKey}, Host: "/etc/hold fast/host.key", Vaults: vaults,
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), canary) {
		t.Errorf("a password was written down:\n%s", b)
	}
	c := parse(t, string(b))
	if got, want := c.VaultNames(), []string{"audit", "core", "desktop", "local", "payments"}; !cmp.Equal(got, want) {
		t.Errorf("vaults %v, want %v", got, want)
	}
	if got := c.Vaults["payments"].Postgres.URL.Reference(); got != "env:PAYMENTS_DSN" {
		t.Errorf("payments refers to %s", got)
	}
	if got := c.Vaults["desktop"].SQLite.Path; got != "/srv/va ult/v%20#1.db" {
		t.Errorf("desktop is at %s", got)
	}
	if c.Repository.URL != "s3://bucket/prefix?region=eu-central-1&path_style=true" || c.Keys.Host != "/etc/hold fast/host.key" {
		t.Errorf("repository %s, host %s", c.Repository.URL, c.Keys.Host)
	}
	if v := validate(t, b); v != "" {
		t.Errorf("the schema refuses it: %s\n%s", v, b)
	}
}

func TestTemplateWithoutVaultsHoldsAnExample(t *testing.T) {
	b, err := Template(TemplateOptions{Repository: "file:///srv/backup", Recipients: []string{hybridKey}})
	if err != nil {
		t.Fatal(err)
	}
	if c := parse(t, string(b)); c.Vaults["example"] == nil || c.Keys.Host != "/conf/host.key" {
		t.Errorf("got\n%s", b)
	}
	if v := validate(t, b); v != "" {
		t.Errorf("the schema refuses it: %s", v)
	}
}

// What is commented out must work once the comment is taken off.
func TestTemplatesCommentedLinesWork(t *testing.T) {
	b, err := Template(TemplateOptions{Repository: "s3://b", Recipients: []string{classicKey}, Vaults: []VaultSpec{{Name: "p", Kind: KindPostgres, URL: "env:X"}}})
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	on := 0
	for _, line := range strings.Split(text, "\n") {
		bare := strings.TrimLeft(line, " ")
		for _, key := range []string{"lock:", "escrow:", "tables:", "cron:", "timezone:", "jitter:", "catch_up:", "retention:", "  standard:", "alerts:", "  - {url:", "  - {ping:", "report:", "limits:"} {
			if strings.HasPrefix(bare, "# "+key) {
				text = strings.Replace(text, line, line[:len(line)-len(bare)]+bare[2:], 1)
				on++
			}
		}
	}
	if on != 15 {
		t.Errorf("%d lines uncommented, want 15", on)
	}
	c := parse(t, text)
	if len(c.Alerts) != 2 || c.Repository.Lock.Days != 35 || c.Limits.UploadRate != 20<<20 || c.Retention["standard"] == nil || c.Jobs["nightly"].Cron == "" {
		t.Errorf("got %+v", c)
	}
}

func TestVaultPathIsTakenAsItIsWritten(t *testing.T) {
	for raw, want := range map[string]VaultSpec{
		"sqlite:///srv/50%.db":     {Name: "x", Kind: KindSQLite, Path: "/srv/50%.db"},
		"sqlite:///srv/a%20b.db":   {Name: "x", Kind: KindSQLite, Path: "/srv/a%20b.db"},
		"files:///srv/w/f#x?y":     {Name: "x", Kind: KindFiles, Path: "/srv/w/f#x?y"},
		"file:///srv/http://x":     {Name: "x", Kind: KindFiles, Path: "/srv/http://x"},
		"SQLite:///srv/v\x7f b.db": {Name: "x", Kind: KindSQLite, Path: "/srv/v\x7f b.db"},
	} {
		got, err := ParseVaultURL("x", raw)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", raw, err, diff)
		}
	}
}

func TestVaultURLsThatCannotBeMeantAreRefused(t *testing.T) {
	for _, raw := range []string{
		"", "vault.db", "/srv/vault.db", "sqlite://srv/vault.db", "sqlite:vault.db", "sqlite:/srv/vault.db", "files:/srv", "files://dir", "mysql://u:" + canary + "@h/d",
		"vault+https://", "vault+https://u:" + canary + "@h", "vault+https://h:8200/v1", "https://h:8200", "postgres://", "postgres://u:" + canary + "@%zz", "sqlite://",
	} {
		if v, err := ParseVaultURL("x", raw); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %+v, %v", raw, v, err)
		}
	}
	if _, err := ParseVaultURL("Not A Name", "sqlite:///x"); err == nil {
		t.Error("a bad name is accepted")
	}
}

func TestEnvironmentNamesAreValid(t *testing.T) {
	for name, want := range map[string]string{"payments": "PAYMENTS_DSN", "eu.pay-ments_1": "EU_PAY_MENTS_1_DSN", "1st": "VAULT_1ST_DSN"} {
		if got := envFor(name, "DSN"); got != want || !envName.MatchString(got) {
			t.Errorf("%s gives %s, want %s", name, got, want)
		}
	}
}

func TestTemplateQuotesWhatYAMLWouldRead(t *testing.T) {
	for _, s := range []string{"true", "null", "on", "1", "1.5", "0x1f", "a: b", "a #b", "- a", "{a}", "*a", "&a", "!a", "%a", "@a", "'", "\"", "a\\b", "é", "a:", "~", "~/x", " a", "a\nb", "2026-01-01", "<&>"} {
		text, err := yamlText(s)
		if err != nil {
			t.Fatal(err)
		}
		root, errs := readDocument("x", []byte("k: "+text+"\n"))
		if errs != nil {
			t.Errorf("%q written as %s: %v", s, text, errs)
			continue
		}
		if got := root.entries[0].value; got.kind != textNode || got.text != s {
			t.Errorf("%q written as %s reads as %v %q", s, text, got.kind, got.text)
		}
	}
}
