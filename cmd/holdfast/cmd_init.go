package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/snapshot"
	"holdfast/snapshot/store"
	"holdfast/snapshot/store/dir"
)

type initOptions struct {
	repository string
	vaults     []string
	recipients []string
	escrow     []string
	trust      []string
	classic    bool
}

func (a *app) cmdInit() *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init --repository URL",
		Short: "Make a repository, its keys and a configuration",
		Long: `Makes a repository in a bucket or folder, and writes beside the configuration file:

  holdfast.yaml   what is protected, where to, for whom
  host.key        what this host signs with; it opens no data of a snapshot
  recipients.txt  the public keys that snapshots are encrypted to
  identity.txt    the private key that opens them: move it away from this host

The store is tried out first, and nothing is overwritten. With a configuration that is there
already, without --repository, only what is missing is made: the host key and the repository.
That is how a second host joins; the others believe it once its verifier is in their keys.trust.`,
		Example: `  holdfast init --repository 's3://acme-backups/prod?region=eu-central-1' --vault desktop=sqlite:///srv/vault/vault.db
  holdfast init --repository file:///mnt/backup --vault keys=files:///etc/vault --escrow age1pq1...
  holdfast init --repository file:///mnt/backup --vault 'payments=postgres://holdfast@db1/app?sslmode=verify-full&sslrootcert=/etc/holdfast/ca.pem'
  holdfast init --repository file:///mnt/backup --recipient file:team.txt`,
		Args: wants(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.init(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.repository, "repository", "", "where snapshots go: s3://bucket/prefix?region=… or file:///folder (`URL`)")
	f.StringArrayVar(&o.vaults, "vault", nil, "a vault to protect, as `NAME=URL`: sqlite:///path, files:///dir, postgres://user@host/database, auditlog:///path or vault+https://host:8200")
	f.StringArrayVar(&o.recipients, "recipient", nil, "encrypt to this `RECIPIENT` (or file:PATH) instead of a new key")
	f.StringArrayVar(&o.escrow, "escrow", nil, "encrypt to this `RECIPIENT` (or file:PATH) too, whose identity lies offline")
	f.StringArrayVar(&o.trust, "trust", nil, "believe snapshots of the host with this verifier `KEY`")
	f.BoolVar(&o.classic, "classic", false, "make an X25519 key, for age before 1.3, instead of a post-quantum one")
	return cmd
}

// An initiated is init's result.
type initiated struct {
	Repository string   `json:"repository"`
	ID         string   `json:"repository_id"`
	Config     string   `json:"config"`
	HostKey    string   `json:"host_key"`
	Verifier   string   `json:"verifier"`
	Recipients string   `json:"recipients,omitempty"` // file
	Identity   string   `json:"identity,omitempty"`   // file
	Warnings   []string `json:"warnings"`
	Next       []string `json:"next"`
}

func (a *app) init(ctx context.Context, o initOptions) error {
	_, err := os.Stat(a.configFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.repository == "":
		return &usage{message: "there is no " + a.configFile + ", so --repository must say where snapshots go",
			hint: "--repository s3://bucket/prefix?region=… or file:///folder"}
	case err == nil && o.repository != "":
		return advise(fmt.Errorf("writing %s: %w: it is there already", a.configFile, errRefused),
			"without --repository, init makes what it names and is missing; --config names another file")
	case err == nil:
		return a.initAgain(ctx)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	p, err := planInit(a.configFile, o)
	if err != nil {
		return err
	}
	s, err := p.tryStore(ctx, o)
	if err != nil {
		return err
	}
	if err := p.write(); err != nil {
		return err
	}
	r, err := createRepository(ctx, s, p.host, p.trust)
	if err != nil {
		p.unwrite()
		return fmt.Errorf("%s: %w", o.repository, err)
	}
	return a.printInit(p.result(o, r))
}

// initAgain makes what a configuration names and is missing.
func (a *app) initAgain(ctx context.Context) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	host, err := readHostKey(string(cfg.Keys.Host))
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		host, err = newHostKey()
	}
	if err != nil {
		return err
	}
	trust, err := snapshot.NewTrust(append(cfg.Keys.Trust, host.Signer.Verifier)...)
	if err != nil {
		return err
	}
	s, warnings, err := openForInit(ctx, cfg.Repository.URL)
	if err != nil {
		return err
	}
	if fresh {
		if err := writeHostKey(ctx, s, string(cfg.Keys.Host), host, trust); err != nil {
			return err
		}
	}
	r, err := createRepository(ctx, s, host, trust)
	if err != nil {
		return fmt.Errorf("%s: %w", cfg.Repository.URL, err)
	}
	res := initiated{Repository: cfg.Repository.URL, ID: r.ID, Config: a.configFile, HostKey: string(cfg.Keys.Host),
		Verifier: host.Signer.Verifier, Warnings: append([]string{}, warnings...)}
	if _, err := cfg.Recipients(); err != nil {
		res.Warnings = append(res.Warnings, err.Error()+": no snapshot can be taken here before that is mended")
	}
	if fresh {
		res.Next = append(res.Next, "add the verifier to keys.trust of the other hosts, so that they believe this one")
	}
	res.Next = append(res.Next, "holdfast doctor", "holdfast snapshot --all")
	return a.printInit(res)
}

// writeHostKey writes a new host key, unless the repository is one that it could not be used for.
func writeHostKey(ctx context.Context, s store.Store, path string, host *snapshot.HostKey, t snapshot.Trust) error {
	if _, err := snapshot.Open(ctx, s, t); err != nil && !errors.Is(err, snapshot.ErrNoRepository) {
		return err
	}
	if err := writeNew(path, []byte(host.Text())); err != nil {
		return fmt.Errorf("writing the host key: %w", err)
	}
	return nil
}

// createRepository makes the repository, or opens the one that is there.
func createRepository(ctx context.Context, s store.Store, host *snapshot.HostKey, t snapshot.Trust) (*snapshot.Repository, error) {
	r, err := snapshot.Open(ctx, s, t)
	if !errors.Is(err, snapshot.ErrNoRepository) {
		return r, err
	}
	return snapshot.Create(ctx, s, host.Signer, time.Now())
}

// openForInit opens a store, makes its folder if it is one, and tries it out.
func openForInit(ctx context.Context, url string) (store.Store, []string, error) {
	if strings.HasPrefix(url, "file:") {
		path, err := dir.ParseURL(url)
		if err != nil {
			return nil, nil, misuse(err)
		}
		if _, err := dir.Create(path); err != nil {
			return nil, nil, err
		}
	}
	s, err := openStore(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	caps, err := store.Probe(ctx, s)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", url, err)
	}
	var warnings []string
	for _, c := range caps {
		switch {
		case !c.OK && c.Required:
			return nil, nil, fmt.Errorf("%s: %w: %s: %s", url, snapshot.ErrUnsupported, c.Name, c.Detail)
		case !c.OK:
			warnings = append(warnings, fmt.Sprintf("the store lacks: %s: %s", c.Name, c.Detail))
		}
	}
	return s, warnings, nil
}

func newHostKey() (*snapshot.HostKey, error) {
	name, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("asking for this host's name: %w", err)
	}
	name = strings.Map(func(r rune) rune {
		if r == '+' || r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}, name)
	return snapshot.NewHostKey(name)
}

func (a *app) printInit(r initiated) error {
	for _, w := range r.Warnings {
		a.warn(w, "")
	}
	return a.print(r, func() {
		if a.quiet {
			return
		}
		a.printf("repository %s at %s\n", r.ID, r.Repository)
		for _, f := range [][2]string{{"configuration", r.Config}, {"host key", r.HostKey}, {"recipients", r.Recipients},
			{"identity", r.Identity}, {"verifier:", r.Verifier}} {
			if f[1] != "" {
				a.printf("%-14s %s\n", f[0], f[1])
			}
		}
		a.printf("next:\n")
		for _, n := range r.Next {
			a.printf("  %s\n", n)
		}
	})
}
