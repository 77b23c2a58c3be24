package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/config"
	"holdfast/restore"
	"holdfast/snapshot"
)

type restoreOptions struct {
	vault      string
	asOf       string
	to         string
	only       []string
	dryRun     bool
	replace    bool
	create     bool
	schema     string
	skip       bool
	mount      string
	unseal     []string
	identities []string
}

func (a *app) cmdRestore() *cobra.Command {
	var o restoreOptions
	cmd := &cobra.Command{
		Use:   "restore [ID|latest]",
		Short: "Restore a snapshot, or rehearse it",
		Long: `Load a snapshot into its vault's own place or into another, all or nothing: until everything was
read, loaded, counted and compared, the target is as it was.

--dry-run alone reads and proves the whole snapshot, prints the plan and writes nothing.
--dry-run --to URL checks the target too and really loads it, into nothing that stays.
A target that holds anything is refused (exit 6) without --replace. What restores are made of is
never replaced: the repository, the configuration, the keys, the cache.
--to takes a path as it stands: no escapes, so that %, ? and # in a name mean themselves. For a
database it is a URL without a password, or env:NAME or file:PATH where the whole of it is.

A Raft snapshot replaces all of a cluster: --to vault+https://host:8200 with a token in VAULT_TOKEN, an empty
server or --replace. The server asks for the unseal shares of the snapshot's cluster then; with --unseal
it is unsealed, and what it holds is read back and compared. Secrets of a KV snapshot are written back version by
version; --only takes MOUNT/PATH with * and ?, with all that is below it, or =MOUNT/PATH for exactly that
one, and --dry-run --to prints what would change.

A database is restored in one transaction into the one that is there, or with --create into a
fresh one that gets its name when it is whole. --only takes TABLE or SCHEMA.TABLE, with * and ?.`,
		Example: `  holdfast restore --vault payments --dry-run -i identity.txt
  holdfast restore latest --vault desktop --to sqlite:///tmp/vault.db -i identity.txt
  holdfast restore --vault keys --only 'store/stripe*' --to files:///tmp/found -i identity.txt
  holdfast restore latest --vault payments --to postgres://db2/payments --create -i identity.txt
  holdfast restore --vault payments --only vault_secrets --to env:SCRATCH_DSN -i identity.txt
  holdfast restore latest --vault core --to vault+https://new:8200 --unseal shares.txt -i identity.txt
  holdfast restore --vault secrets --only 'kv/app/db' --replace -i identity.txt
  holdfast restore --vault desktop --as-of 2026-11-01T00:00:00Z --replace -i identity.txt`,
		Args: wants(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.to == "" && cmd.Flags().Changed("to") { // an unset variable, and not the vault's own place
				return misuse(errors.New("--to is empty"))
			}
			if o.schema == "" && cmd.Flags().Changed("schema") { // and not the schema that it was
				return misuse(errors.New("--schema is empty"))
			}
			return a.restore(cmd.Context(), first(args), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.vault, "vault", "", "the snapshot's `VAULT`")
	f.StringVar(&o.asOf, "as-of", "", "the newest snapshot that shows this `TIME` or an earlier one")
	f.StringVar(&o.to, "to", "", "where to: a path or `URL` such as sqlite:///path, files:///dir, postgres://host/database or vault+https://host:8200; else where the vault is")
	f.StringArrayVar(&o.only, "only", nil, "only what matches `PATTERN`: a path, or a glob with ** for any folders; of a database, tables")
	f.BoolVar(&o.dryRun, "dry-run", false, "change nothing")
	f.BoolVar(&o.replace, "replace", false, "let what is in the target give way")
	f.BoolVar(&o.create, "create", false, "make the database, load it by several connections, and give it its name when it is whole (postgres); make KV mounts that are missing (kv)")
	f.StringVar(&o.schema, "schema", "", "put the one schema of the snapshot under this `NAME` (postgres)")
	f.StringVar(&o.mount, "mount", "", "put the one mount of the snapshot under this `NAME` (kv)")
	f.StringArrayVar(&o.unseal, "unseal", nil, unsealFlag+" (raft)")
	f.BoolVar(&o.skip, "skip-missing", false, "leave out owners, grants and foreign keys that need what the target lacks, and name them (postgres)")
	f.StringArrayVarP(&o.identities, "identity", "i", nil, "identity `FILE` that opens the snapshot")
	cmd.ValidArgsFunction = a.completeSnapshots
	a.completeFlag(cmd, "vault", a.completeVaults)
	return cmd
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// A restored is restore's result.
type restored struct {
	Plan   restore.Plan    `json:"plan"`
	DryRun bool            `json:"dry_run"`
	Loaded *restore.Loaded `json:"loaded"`
	Took   float64         `json:"took_seconds"`
}

func (a *app) restore(ctx context.Context, name string, o restoreOptions) error {
	asOf, err := parseTime(o.asOf, time.Now())
	if err != nil {
		return misuse(fmt.Errorf("--as-of: %w", err))
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	ids, err := s.identities(ctx, o.identities)
	if err != nil {
		return err
	}
	m, err := s.findSnapshot(ctx, o.vault, name, asOf)
	if err != nil {
		return err
	}
	p := a.startProgress()
	defer p.Stop()
	snap, err := restore.Open(ctx, s.store, m, s.trust, p.Report, ids...)
	if err != nil {
		return err
	}
	to, err := s.restoreTarget(ctx, snap, o, p.Report)
	if err != nil {
		return err
	}
	where := to.name
	plan := snap.Plan(time.Now())
	plan.Target, plan.Only, plan.Replace = where, o.only, o.replace
	if surveyor, ok := to.target.(restore.Surveyor); ok {
		if plan.Survey, err = surveyor.Survey(ctx, snap); err != nil {
			return fmt.Errorf("snapshot %s of %s: %w", m.ID, m.Vault, err)
		}
	}
	a.printPlan(plan, o)
	began := time.Now()
	loaded, err := restore.Run(ctx, snap, to.target)
	p.Stop()
	if err != nil {
		return fmt.Errorf("snapshot %s of %s: %w", m.ID, m.Vault, err)
	}
	took := time.Since(began).Round(time.Millisecond)
	done := "restored"
	if o.dryRun {
		done = "rehearsed"
	}
	s.log.Info(done, "snapshot", m.ID, "source", m.Vault, "elapsed", took)
	return a.print(restored{plan, o.dryRun, &loaded, took.Seconds()}, func() { a.printRestored(loaded, m.Kind, where, o, took) })
}

// restoreTarget chooses the target once; the path through it is the same for all.
func (s *session) restoreTarget(ctx context.Context, snap *restore.Snapshot, o restoreOptions, p snapshot.Progress) (destination, error) {
	m := snap.Manifest
	if o.dryRun && o.to == "" {
		if flag := o.ofTargets(); flag != "" {
			return destination{}, misuse(fmt.Errorf("--dry-run with %s needs --to: without a target all of the snapshot is proven", flag))
		}
		checker := checkers()[m.Kind]
		if len(o.unseal) > 0 {
			var err error
			if checker, err = unsealing(m.Kind, s.sharesFrom(ctx, o.unseal, config.Secret{})); err != nil {
				return destination{}, err
			}
		}
		return destination{target: restore.Discard{Checker: checker}}, nil
	}
	d, err := target(m.Kind, s.cfg.Vaults[m.Vault], place{url: o.to, only: o.only, streams: snap.Streams(), replace: o.replace, rehearse: o.dryRun,
		create: o.create, schema: o.schema, skipMissing: o.skip, mount: o.mount, shares: s.sharesFrom(ctx, o.unseal, config.Secret{}), unsealed: len(o.unseal) > 0,
		progress: p, log: s.log})
	if err != nil || d.path == "" {
		return d, err
	}
	return d, s.guard(d.path, o.identities)
}

// ofTargets is a flag that only says something of a target, "" if none is given.
func (o restoreOptions) ofTargets() string {
	switch {
	case len(o.only) > 0:
		return "--only"
	case o.create:
		return "--create"
	case o.schema != "":
		return "--schema"
	case o.skip:
		return "--skip-missing"
	case o.mount != "":
		return "--mount"
	}
	return ""
}

func (a *app) printPlan(p restore.Plan, o restoreOptions) {
	where := p.Target
	switch {
	case where == "":
		where = "nowhere: every byte is read and proven"
	case o.dryRun:
		where += " (rehearsed: nothing stays)"
	case o.replace:
		where += " (replacing what is there)"
	}
	a.note("snapshot  %s of %s (%s), signed by %s", p.ID, p.Vault, p.Kind, p.Signer)
	a.note("data as of %s, %s old", p.DataAsOf.Format(time.RFC3339), p.Age)
	a.note("size      %s, %d rows, out of %s in %s", bytesText(p.PlainBytes), p.Rows, bytesText(p.ReadBytes), count(p.Packs, "pack"))
	a.note("target    %s", where)
	for _, line := range p.Survey {
		a.note("          %s", line)
	}
	for _, w := range p.Warnings {
		a.warn("when it was taken: "+w, "")
	}
}

func (a *app) printRestored(l restore.Loaded, kind, where string, o restoreOptions, took time.Duration) {
	var rows, size int64
	for _, st := range l.Streams {
		rows += st.Rows
		size += st.Bytes
	}
	verb := "restored to " + where
	switch {
	case o.dryRun && where == "":
		verb = "proven: it can be restored"
	case o.dryRun:
		verb = "rehearsed at " + where + "; nothing was changed"
	}
	for _, n := range l.Notes {
		a.note("note: %s", n)
	}
	a.printf("%s: %s, %s, counted and compared, in %s\n", verb, rowsText(kind, rows), bytesText(size), took)
}

// rowsText says how much was restored, in the words of the kind.
func rowsText(kind string, n int64) string {
	switch kind {
	case config.KindKV:
		return count(int(n), "secret")
	case config.KindPostgres, config.KindSQLite:
		return fmt.Sprintf("%d rows", n)
	}
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
