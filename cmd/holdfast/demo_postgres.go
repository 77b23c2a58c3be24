package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"holdfast/fixtures"
	"holdfast/fixtures/vaulta"
)

// A demoServer is a private PostgreSQL with an application's vault, or nil where there is none.
type demoServer struct {
	*fixtures.PostgresServer
	dir string
}

const (
	demoRows     = 5_000  // in vault_secrets
	demoAudit    = 50_000 // in vault_audit
	demoSeed     = 1
	demoDatabase = "payments"
	demoRestored = "restored"
)

// startPostgres starts a server for the length of the demo. Without one there is less to show,
// which is no reason to show nothing.
func (d *demonstration) startPostgres(ctx context.Context) error {
	s, err := fixtures.StartPostgres("")
	if errors.Is(err, fs.ErrNotExist) {
		d.say("no vault on PostgreSQL in this demo: its server is not installed here")
		return nil
	}
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n") // the server's log may follow
		d.say("no vault on PostgreSQL in this demo: %s", reason)
		return nil
	}
	d.pg = &demoServer{s, d.dir}
	return d.pg.fill(ctx)
}

// stopPostgres ends the server and removes its data.
func (d *demonstration) stopPostgres() error {
	if d.pg == nil {
		return nil
	}
	return d.pg.Remove()
}

func (s *demoServer) fill(ctx context.Context) error {
	// The password goes into a file: the commands of the demo are printed.
	line := fmt.Sprintf("%s:%d:*:%s:%s\n", s.Host, s.Port, s.User, s.Password)
	if err := os.WriteFile(s.passwords(), []byte(line), 0o600); err != nil {
		return err
	}
	if err := s.Exec("postgres", "CREATE DATABASE "+demoDatabase); err != nil {
		return err
	}
	return vaulta.Generate(ctx, s.SocketURL(demoDatabase), vaulta.Options{Secrets: demoRows, Audit: demoAudit, Seed: demoSeed})
}

func (s *demoServer) passwords() string { return filepath.Join(s.dir, "pgpass") }

// url names a database without its password.
func (s *demoServer) url(database string) string {
	q := url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.CA}, "passfile": {s.passwords()}}
	query := strings.ReplaceAll(q.Encode(), "+", "%20") // libpq takes + for itself
	u := url.URL{Scheme: "postgres", User: url.User(s.User), Host: s.Address(), Path: "/" + database, RawQuery: query}
	return u.String()
}

// change is some use of the vault: rows appended, and few updated at random.
func (s *demoServer) change(ctx context.Context) error {
	if err := vaulta.Append(ctx, s.SocketURL(demoDatabase), 100*demoGrowth); err != nil {
		return err
	}
	return vaulta.Touch(ctx, s.SocketURL(demoDatabase), 2)
}

// restorePostgres restores the vault into another database and opens a secret there.
func (d *demonstration) restorePostgres(ctx context.Context) error {
	if d.pg == nil {
		return nil
	}
	if err := d.run(ctx, "restore", "latest", "--vault", demoDatabase, "--create", "--to", d.pg.url(demoRestored), "-i", d.identity()); err != nil {
		return err
	}
	restored := d.pg.SocketURL(demoRestored)
	audit, err := vaulta.CheckInvariant(ctx, restored)
	if err != nil {
		return err
	}
	if _, err := vaulta.Open(ctx, restored, vaulta.Key(demoSeed), vaulta.Name(0)); err != nil {
		return err
	}
	d.say("the restored database shows one instant, %d rows of audit and the secrets they are about, and its secrets open with their own key", audit)
	return nil
}
