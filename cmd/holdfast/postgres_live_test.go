//go:build !race

package main

import (
	"strings"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/fixtures/vaulta"
	"holdfast/fixtures/vaultb"
)

// A livePostgres is a lab with a database called db beside its SQLite vault, and its server.
func livePostgres(t *testing.T, config string) (l *lab, server *fixtures.PostgresServer, database string) {
	t.Helper()
	url, env := bucket(t)
	server = fixtures.Postgres(t)
	database = server.Create(t, "live")
	l = newLab(t, url, 10, append(env, "LIVE_DSN="+server.SocketURL(database), "COPY_DSN="+server.SocketURL("restored"))...)
	replaceInFile(t, l.config, "vaults:\n", "vaults:\n  db: {kind: postgres, url: env:LIVE_DSN, "+config+"}\n")
	return l, server, database
}

// takeAndRestore takes snapshots of what is being written to, the later ones on top of the first, and
// restores each; look is shown where.
func takeAndRestore(t *testing.T, l *lab, server *fixtures.PostgresServer, look func(url string)) {
	t.Helper()
	for range 3 {
		l.must("snapshot", "db", "--quiet")
		l.must("restore", "latest", "--vault", "db", "--to", "env:COPY_DSN", "--create", "-i", l.identity(), "--quiet")
		look(server.SocketURL("restored"))
		server.SQL(t, "postgres", "DROP DATABASE restored")
	}
	l.must("verify", "--vault", "db", "--level", "content", "-i", l.identity(), "--quiet")
}

// sameAtRest compares a restore of what no longer changes with it, as pg_dump has both.
func sameAtRest(t *testing.T, l *lab, server *fixtures.PostgresServer, database string) {
	t.Helper()
	l.must("snapshot", "db", "--quiet")
	l.must("restore", "latest", "--vault", "db", "--to", "env:COPY_DSN", "--create", "-i", l.identity(), "--quiet")
	want, got := sorted(server.Dump(t, database)), sorted(server.Dump(t, "restored"))
	if strings.Join(want, "\n") != strings.Join(got, "\n") {
		t.Errorf("pg_dump does not say the same of what was restored: %d lines and %d", len(want), len(got))
	}
	server.SQL(t, "postgres", "DROP DATABASE restored")
}

// TestALivePHPVaultIsOneInstant snapshots the PHP application's vault while two connections read
// secrets, which updates rows, and write some.
func TestALivePHPVaultIsOneInstant(t *testing.T) {
	l, server, database := livePostgres(t, "preset: php-vault")
	if err := vaulta.Generate(t.Context(), server.SocketURL(database), vaulta.Options{Secrets: 20_000, Audit: 200_000, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	w, err := vaulta.StartWriter(server.SocketURL(database), 2)
	if err != nil {
		t.Fatal(err)
	}
	var last int64
	takeAndRestore(t, l, server, func(url string) {
		rows, err := vaulta.CheckInvariant(t.Context(), url)
		if err != nil {
			t.Error(err)
		}
		if rows <= last {
			t.Errorf("%d audit rows came after %d: the writer stands still, or an old instant was restored", rows, last)
		}
		last = rows
	})
	if _, err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	sameAtRest(t, l, server, database)
}

// TestALiveHashiCorpVaultIsOneInstant snapshots HashiCorp Vault's PostgreSQL storage while a Vault
// writes versions of secrets, leases that come and go, and its lock.
func TestALiveHashiCorpVaultIsOneInstant(t *testing.T) {
	l, server, database := livePostgres(t, "preset: hashicorp-vault")
	o := vaultb.Options{Secrets: 2000, Seed: 5}
	if err := vaultb.Generate(t.Context(), server.SocketURL(database), o); err != nil {
		t.Fatal(err)
	}
	w, err := vaultb.StartWriter(server.SocketURL(database), o)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	takeAndRestore(t, l, server, func(url string) {
		if entries, err := vaultb.CheckInvariant(t.Context(), url, o.Seed); err != nil || entries == 0 {
			t.Errorf("%d entries, %v", entries, err)
		}
	})
	writes, err := w.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if writes < 100 {
		t.Errorf("the writer made only %d writes", writes)
	}
	sameAtRest(t, l, server, database)
}
