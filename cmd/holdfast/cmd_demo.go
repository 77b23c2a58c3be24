package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/fixtures/vaultc"
	"holdfast/fixtures/vaultd"
)

func (a *app) cmdDemo() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole job on sample vaults, in under a minute",
		Long: `Makes sample vaults (an application's SQLite vault, a local encrypted store and, where PostgreSQL's
server is installed, a vault on a private throwaway server), a repository in a folder and keys; takes two
snapshots with a change between them; verifies them, shows what changed, rehearses a restore and does it for
real, and opens a restored secret.

Every step is a command that it prints, so that it can be tried by hand. It needs no network
and touches nothing outside of its folder; the private server ends with it.`,
		Example: "  holdfast demo\n  holdfast demo --dir /tmp/try",
		Args:    wants(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), dir) },
	}
	cmd.Flags().StringVar(&dir, "dir", "", "a new or empty `FOLDER` to work in (default: a new one in the temporary folder)")
	return cmd
}

// A demonstration is one run of the demo.
type demonstration struct {
	*app
	dir    string
	vault  vaultc.Vault
	store  string // the encrypted store of vault D
	config string
	pg     *demoServer // nil: not here
}

const (
	demoSecrets = 50_000
	demoStore   = 200
	demoGrowth  = 0.001
)

func (a *app) demo(ctx context.Context, dir string) (err error) {
	if a.json {
		return &usage{message: "demo tells a story and has no JSON", hint: "leave out --json"}
	}
	if dir, err = demoDir(dir); err != nil {
		return err
	}
	d := &demonstration{app: a, dir: dir, store: filepath.Join(dir, "vault-d"), config: filepath.Join(dir, "holdfast.yaml")}
	defer func() { err = errors.Join(err, d.stopPostgres()) }()
	began := time.Now()
	for _, step := range []func(context.Context) error{d.startPostgres, d.makeVaults, d.first, d.second, d.prove, d.restoreAll} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("demonstrating in %s: %w", dir, err)
		}
	}
	d.close(time.Since(began))
	return nil
}

func demoDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "holdfast-demo-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = advise(fmt.Errorf("working in %s: %w: it is not empty", dir, errRefused), "name a new or empty folder with --dir")
	}
	return dir, err
}

// say prints what the story is at.
func (d *demonstration) say(format string, args ...any) { d.printf("\n# "+format+"\n", args...) }

// run runs one command as it would be typed, and prints it.
func (d *demonstration) run(ctx context.Context, args ...string) error {
	shown := make([]string, len(args))
	for i, arg := range args {
		shown[i] = shellWord(arg)
	}
	d.printf("$ holdfast %s\n", strings.Join(shown, " "))
	args = append(args, "--config", d.config, "--no-progress")
	if args[0] != "init" { // of all others the result tells the story
		args = append(args, "--quiet")
	}
	if code := run(ctx, args, d.stdin, d.stdout, d.stderr); code != exitDone {
		return fmt.Errorf("holdfast %s ended with exit code %d", args[0], code)
	}
	return nil
}

// shellWord writes arg as a shell takes it for one word.
func shellWord(arg string) string {
	if !strings.ContainsAny(arg, " \t\n*?[]&|;<>()$`\\\"'#~!{}") {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

func (d *demonstration) makeVaults(ctx context.Context) error {
	d.say("vaults: %d secrets of an application in SQLite, and %d in a folder of encrypted files", demoSecrets, demoStore)
	var err error
	d.vault, err = vaultc.Generate(ctx, filepath.Join(d.dir, "vault-c"), vaultc.Options{Secrets: demoSecrets, Seed: 1})
	if err != nil {
		return err
	}
	if err := vaultd.Generate(d.store, vaultd.Options{Secrets: demoStore, Seed: 1}); err != nil {
		return err
	}
	d.printf("%s\n%s\n", d.vault.Database, d.store)
	init := []string{"init", "--repository", "file://" + filepath.Join(d.dir, "repository"),
		"--vault", "app=sqlite://" + d.vault.Database, "--vault", "local=files://" + d.store}
	if d.pg != nil {
		d.say("and %d in PostgreSQL, with %d rows of audit, on a private server that ends with this demo", demoRows, demoAudit)
		d.printf("%s\n", d.pg.url(demoDatabase))
		init = append(init, "--vault", demoDatabase+"="+d.pg.url(demoDatabase))
	}
	d.say("a repository in a folder, a key for this host, and one that opens snapshots")
	return d.run(ctx, init...)
}

// names returns the vaults of the demo.
func (d *demonstration) names() []string {
	if d.pg == nil {
		return []string{"app", "local"}
	}
	return []string{"app", "local", demoDatabase}
}

func (d *demonstration) first(ctx context.Context) error {
	d.say("the first snapshots: everything is new")
	return d.run(ctx, "snapshot", "--all")
}

func (d *demonstration) second(ctx context.Context) error {
	d.say("%d more secrets in the one, 2 rotated in the other: the next snapshots store what this touched", int(demoSecrets*demoGrowth))
	if err := vaultc.Append(ctx, d.vault.Database, demoGrowth); err != nil {
		return err
	}
	if err := vaultd.Mutate(d.store, 2); err != nil {
		return err
	}
	if d.pg != nil {
		if err := d.pg.change(ctx); err != nil {
			return err
		}
	}
	if err := d.run(ctx, "snapshot", "--all", "--tag", "after-change"); err != nil {
		return err
	}
	return d.run(ctx, "list")
}

func (d *demonstration) identity() string { return filepath.Join(d.dir, "identity.txt") }

func (d *demonstration) prove(ctx context.Context) error {
	d.say("everything that is stored, checked: first without a key, then to the last row")
	if err := d.run(ctx, "verify", "--all"); err != nil {
		return err
	}
	if err := d.run(ctx, "verify", "--all", "--level", "content", "-i", d.identity()); err != nil {
		return err
	}
	d.say("what changed between the two snapshots")
	for _, vault := range d.names() {
		ids, err := d.ids(ctx, vault)
		if err != nil {
			return err
		}
		if err := d.run(ctx, "diff", ids[0], ids[len(ids)-1], "--vault", vault, "-i", d.identity()); err != nil {
			return err
		}
	}
	return nil
}

func (d *demonstration) ids(ctx context.Context, vault string) ([]string, error) {
	quiet := *d.app
	quiet.configFile = d.config
	s, err := quiet.open(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.catalog().List(ctx, vault)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range list {
		ids = append(ids, string(e.ID))
	}
	if len(ids) < 2 {
		return nil, errors.New("two snapshots were taken, and fewer are listed")
	}
	return ids, nil
}

func (d *demonstration) restoreAll(ctx context.Context) error {
	d.say("a restore, rehearsed: all of it is read and proven, nothing is written")
	if err := d.run(ctx, "restore", "latest", "--vault", "app", "--dry-run", "-i", d.identity()); err != nil {
		return err
	}
	d.say("and done, beside the originals")
	restored := vaultc.Vault{Dir: d.dir, Database: filepath.Join(d.dir, "restored.db"), Key: d.vault.Key}
	if err := d.run(ctx, "restore", "latest", "--vault", "app", "--to", "sqlite://"+restored.Database, "-i", d.identity()); err != nil {
		return err
	}
	folder := filepath.Join(d.dir, "restored-store")
	if err := d.run(ctx, "restore", "latest", "--vault", "local", "--to", "files://"+folder, "-i", d.identity()); err != nil {
		return err
	}
	secrets, err := vaultd.Decrypt(folder)
	if err != nil {
		return err
	}
	d.say("the restored store opens with its own key: %d secrets", len(secrets))
	if err := d.restorePostgres(ctx); err != nil {
		return err
	}
	return d.run(ctx, "status")
}

func (d *demonstration) close(took time.Duration) {
	if d.pg != nil {
		d.say("the private server of %s ends now; its snapshots stay", demoDatabase)
	}
	d.say("done in %s. Everything is in %s", took.Round(10*time.Millisecond), d.dir)
	d.printf(`try next, after cd %s:
  holdfast show latest --vault app
  holdfast cat latest --vault app -i identity.txt
  holdfast restore latest --vault local --only 'logs/*' --to %s -i identity.txt
  flip a byte in repository/vaults/app/packs/*/* and run: holdfast verify --all
for a vault of your own: holdfast init --help
`, shellWord(d.dir), shellWord("files://"+d.dir+"/part"))
}
