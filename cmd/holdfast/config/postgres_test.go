package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const postgresHead = "repository: {url: s3://b}\nkeys: {recipients: [" + classicKey + "]}\nvaults:\n  p: {kind: postgres, url: env:X"

func TestAPresetNamesItsTables(t *testing.T) {
	c := parse(t, postgresHead+", preset: php-vault, tables: [extra]}\n")
	p := c.Vaults["p"].Postgres
	if diff := cmp.Diff([]string{"vault_secrets", "vault_audit", "extra"}, p.Tables); diff != "" {
		t.Error(diff)
	}
	if p.Connections != 2 || p.LockTimeout.Std() != 30*time.Second || p.FullEvery.Std() != 7*24*time.Hour {
		t.Errorf("defaults: %d connections, lock_timeout %s, full_every %s", p.Connections, p.LockTimeout, p.FullEvery)
	}
	for _, bad := range []string{", preset: php-vault, tables: [vault_audit]}", ", preset: nothing}", ", connections: 0}", ", lock_timeout: 1ms}", ", full_every: 1s}"} {
		if _, err := Parse("holdfast.yaml", []byte(postgresHead+bad+"\n")); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestAURLOnTheCommandLineHoldsNoPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(path, []byte("postgres://u:"+canary+"@h/db\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SCRATCH_DSN", "host=h password="+canary)
	for text, want := range map[string]string{
		"postgres://u@h/db": "postgres://u@h/db", "env:SCRATCH_DSN": "host=h password=" + canary, "file:" + path: "postgres://u:" + canary + "@h/db",
	} {
		if got, err := ResolveURL("--to", text); err != nil || got != want {
			t.Errorf("%s: got another value or %v", text, err)
		}
	}
	for _, bad := range []string{"postgres://u:" + canary + "@h/db", "host=h password=" + canary, "env:NOT SET", "env:NOT_SET_ANYWHERE", "file:" + path + ".gone", "file:"} {
		_, err := ResolveURL("--to", bad)
		if err == nil {
			t.Errorf("%q was taken", strings.ReplaceAll(bad, canary, "..."))
			continue
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("the error shows the password: %v", strings.ReplaceAll(err.Error(), canary, "..."))
		}
	}
	if _, err := ResolveURL("--to", "env:NOT_SET_ANYWHERE"); !errors.Is(err, ErrSecretMissing) {
		t.Errorf("got %v", err)
	}
}
