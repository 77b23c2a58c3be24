package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"holdfast/cmd/holdfast/config"
	"holdfast/snapshot"
	"holdfast/snapshot/pack"
	"holdfast/snapshot/store"
	"holdfast/snapshot/store/dir"
	"holdfast/snapshot/store/s3"
)

// A session is what a command works with: the configuration and what it names, opened.
type session struct {
	cfg        *config.Config
	store      store.Store
	repository *snapshot.Repository
	host       *snapshot.HostKey // nil on a host that has no key: it reads and takes nothing
	trust      snapshot.Trust
	hostName   string
	stdin      io.Reader
	log        *slog.Logger
}

// open reads the configuration and opens the repository that it names.
func (a *app) open(ctx context.Context) (*session, error) {
	s, err := a.configure(ctx)
	if err != nil {
		return nil, err
	}
	s.repository, err = snapshot.Open(ctx, s.store, s.trust)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.cfg.Repository.URL, err)
	}
	return s, nil
}

// configure reads the configuration, the host key and the store, without looking into it.
func (a *app) configure(ctx context.Context) (*session, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	limitMemory(int64(cfg.Limits.Memory))
	s := &session{cfg: cfg, stdin: a.stdin, log: a.log}
	if s.hostName, err = os.Hostname(); err != nil {
		return nil, fmt.Errorf("asking for this host's name: %w", err)
	}
	if s.host, err = readHostKey(string(cfg.Keys.Host)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	signers := cfg.Keys.Trust
	if s.host != nil {
		signers = append([]string{s.host.Signer.Verifier}, signers...)
	}
	if s.trust, err = snapshot.NewTrust(signers...); err != nil {
		return nil, fmt.Errorf("%s: keys.trust: %w", cfg.File(), err)
	}
	if s.store, err = openStore(ctx, cfg.Repository.URL); err != nil {
		return nil, err
	}
	return s, nil
}

// openStore opens the store that a repository URL names.
func openStore(ctx context.Context, url string) (store.Store, error) {
	scheme, _, _ := strings.Cut(url, ":")
	switch scheme {
	case "s3":
		o, err := s3.ParseURL(url)
		if err != nil {
			return nil, misuse(err)
		}
		return s3.Open(ctx, o)
	case "file":
		path, err := dir.ParseURL(url)
		if err != nil {
			return nil, misuse(err)
		}
		return dir.Open(path)
	}
	return nil, misuse(fmt.Errorf("reading store URL: %q is neither s3:// nor file://", scheme))
}

// recipients are all who can open the snapshots that this host takes, escrow included.
func (s *session) recipients() ([]snapshot.Recipient, error) {
	main, err := s.cfg.Recipients()
	if err != nil {
		return nil, err
	}
	escrow, err := s.cfg.Escrow()
	if err != nil {
		return nil, err
	}
	var list []snapshot.Recipient
	seen := map[string]bool{}
	for _, r := range append(main, escrow...) {
		if text := r.String(); !seen[text] {
			seen[text] = true
			list = append(list, snapshot.Recipient{Recipient: r.Recipient, Text: text})
		}
	}
	return list, nil
}

// cache is where this host keeps copies of the repository's small objects.
func (s *session) cache() *snapshot.Cache {
	base := string(s.cfg.Cache.Dir)
	if base == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil
		}
		base = filepath.Join(user, "holdfast")
	}
	return &snapshot.Cache{Dir: filepath.Join(base, s.repository.ID)}
}

func (s *session) catalog() *snapshot.Catalog {
	return &snapshot.Catalog{Store: s.store, Repository: s.repository.ID, Trust: s.trust, Cache: s.cache()}
}

// vaults resolves the names of vaults given on the command line, each once; all means every
// configured one.
func (s *session) vaults(names []string, all bool) ([]string, error) {
	if all {
		if len(names) > 0 {
			return nil, misuse(errors.New("--all and names of vaults exclude each other"))
		}
		names = s.cfg.VaultNames()
	}
	var once []string
	for _, name := range names {
		if _, err := s.vault(name); err != nil {
			return nil, err
		}
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once, nil
}

// stored resolves the name of a vault whose snapshots are asked for; "" means every configured
// one. Snapshots may outlive their vault's place in the configuration.
func (s *session) stored(vault string) ([]string, error) {
	if vault == "" {
		return s.cfg.VaultNames(), nil
	}
	if err := snapshot.CheckVault(vault); err != nil {
		return nil, misuse(err)
	}
	return []string{vault}, nil
}

// vaultsHint lists the vaults for somebody who has not said which.
func (s *session) vaultsHint() string {
	return "the vaults are " + strings.Join(s.cfg.VaultNames(), ", ")
}

func (s *session) vault(name string) (*config.Vault, error) {
	v, ok := s.cfg.Vaults[name]
	if !ok {
		return nil, misuse(fmt.Errorf("no vault %q in %s; it has %s", name, s.cfg.File(), strings.Join(s.cfg.VaultNames(), ", ")))
	}
	return v, nil
}

// errNoHostKey means that this host cannot take or sign anything.
var errNoHostKey = errors.New("this host has no host key")

// taker builds the Taker of one vault.
func (s *session) taker(v *config.Vault) (*snapshot.Taker, error) {
	if s.host == nil {
		return nil, fmt.Errorf("%w: %s is missing", errNoHostKey, s.cfg.Keys.Host)
	}
	to, err := s.recipients()
	if err != nil {
		return nil, err
	}
	level, err := pack.ParseLevel(s.cfg.Limits.Compression)
	if err != nil {
		return nil, misuse(err)
	}
	t := &snapshot.Taker{
		Store: s.store, Registers: s.store, Repository: s.repository, Trust: s.trust, Host: s.host, Recipients: to,
		Vault: v.Name, Kind: v.Kind, HostName: s.hostName, Tool: tool(),
		Pack: pack.WriterOptions{Level: level}, Cache: s.cache(), Log: s.log,
		LockMode: s.cfg.Repository.Lock.Mode, LockFor: time.Duration(s.cfg.Repository.Lock.Days) * 24 * time.Hour,
		LeaseTTL: s.cfg.Repository.Lease.Std(),
	}
	if r := s.cfg.Limits.UploadRate; r > 0 {
		t.Upload = rate.NewLimiter(rate.Limit(r), pack.MaxPack)
	}
	return t, nil
}

// findSnapshot reads the manifest that a command line names: an id, or "latest" of a vault. Without a
// vault, an id is looked for in every configured one.
func (s *session) findSnapshot(ctx context.Context, vault, name string, asOf time.Time) (*snapshot.Manifest, error) {
	if name == "" || name == "latest" {
		return s.latest(ctx, vault, asOf)
	}
	if !asOf.IsZero() {
		return nil, misuse(errors.New("--as-of and an id exclude each other"))
	}
	id, err := snapshot.ParseID(name)
	if err != nil {
		return nil, misuse(err)
	}
	vaults, err := s.stored(vault)
	if err != nil {
		return nil, err
	}
	for _, v := range vaults {
		m, err := snapshot.ReadManifest(ctx, s.store, s.repository.ID, v, id, s.trust)
		if err == nil {
			return m, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("looking for %s in %s: %w", id, strings.Join(vaults, ", "), snapshot.ErrNoSnapshot)
}

// latest is the newest snapshot of a vault, or the newest that shows asOf or an earlier instant.
// One whose manifest is damaged is an error, never passed over: what is behind it is older
// than what was asked for.
func (s *session) latest(ctx context.Context, vault string, asOf time.Time) (*snapshot.Manifest, error) {
	if vault == "" {
		if names := s.cfg.VaultNames(); len(names) == 1 {
			vault = names[0]
		} else {
			return nil, &usage{message: "say which vault with --vault", hint: s.vaultsHint()}
		}
	}
	if _, err := s.stored(vault); err != nil {
		return nil, err
	}
	list, err := s.catalog().List(ctx, vault)
	if err != nil {
		return nil, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		e := list[i]
		if e.Err != nil {
			return nil, adviseOlder(fmt.Errorf("looking for the latest snapshot of %s: %w", vault, e.Err), list[:i])
		}
		if asOf.IsZero() || !e.Manifest.DataAsOf.After(asOf) {
			return e.Manifest, nil
		}
	}
	return nil, fmt.Errorf("looking for the latest snapshot of %s: %w", vault, snapshot.ErrNoSnapshot)
}

// adviseOlder names the newest snapshot of list that can be trusted, where a newer one cannot.
func adviseOlder(err error, list []snapshot.Entry) error {
	for _, e := range slices.Backward(list) {
		if e.Manifest != nil {
			return advise(err, fmt.Sprintf("run verify; the newest that can be trusted is %s, and is used if you name it", e.ID))
		}
	}
	return err
}
