package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/config"
	"holdfast/snapshot"
	"holdfast/verify"
)

type verifyOptions struct {
	vault      string
	all        bool
	level      string
	sample     int
	identities []string
	unseal     []string
}

func (a *app) cmdVerify() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify [ID ...|latest]",
		Short: "Check that stored snapshots are whole and can be read",
		Long: `Check snapshots without restoring them.

Level checksum compares every object with what was signed, and needs no key. Level content also
decrypts, decompresses and reads every stream to its end, compares digests and rows, and proves
the structure of the dump; it needs an identity. What was found is signed and stored beside the
snapshot. Anything damaged is named and the exit code is 3.

With --unseal, level content of a Raft snapshot also rebuilds the keyring of its cluster from unseal shares,
with no server at all, and authenticates every stored entry: a proof that these shares open this
snapshot. Use it where the shares may be, never on the host that takes snapshots.

Without ids, --vault checks all snapshots of a vault and --all those of every vault.`,
		Example: `  holdfast verify --all
  holdfast verify latest --vault payments --level content -i identity.txt
  holdfast verify latest --vault core --level content --unseal shares.txt -i identity.txt
  holdfast verify --vault payments --sample 10`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.verify(cmd.Context(), args, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.vault, "vault", "", "the `VAULT` to check")
	f.BoolVar(&o.all, "all", false, "every configured vault")
	f.StringVar(&o.level, "level", snapshot.LevelChecksum, "`LEVEL`: checksum or content")
	f.IntVar(&o.sample, "sample", 0, "read only this `PERCENT` of the packs")
	f.StringArrayVarP(&o.identities, "identity", "i", nil, "identity `FILE` that opens the snapshots (level content)")
	f.StringArrayVar(&o.unseal, "unseal", nil, unsealFlag+" (raft, level content)")
	cmd.ValidArgsFunction = a.completeSnapshots
	a.completeFlag(cmd, "vault", a.completeVaults)
	return cmd
}

func (o verifyOptions) check(ids []string) error {
	switch {
	case o.level == snapshot.LevelRestore:
		return &usage{message: "--level restore: a restore is rehearsed by other commands", hint: "holdfast drill, or holdfast restore --dry-run --to URL"}
	case o.level != snapshot.LevelChecksum && o.level != snapshot.LevelContent:
		return misuse(fmt.Errorf("--level %q: use checksum or content", o.level))
	case o.sample < 0 || o.sample > 100:
		return misuse(fmt.Errorf("--sample %d: use 1 to 100", o.sample))
	case o.all && (o.vault != "" || len(ids) > 0):
		return misuse(errors.New("--all goes with neither --vault nor ids"))
	case len(o.unseal) > 0 && (o.level != snapshot.LevelContent || o.sample > 0 && o.sample < 100):
		return misuse(errors.New("--unseal goes with --level content and without --sample"))
	case !o.all && o.vault == "" && len(ids) == 0:
		return misuse(errors.New("say which snapshots: ids, --vault or --all"))
	}
	return nil
}

func (a *app) verify(ctx context.Context, ids []string, o verifyOptions) error {
	if err := o.check(ids); err != nil {
		return err
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	v := s.verifier(o.level)
	v.Sample = o.sample
	if v.Signer == nil {
		a.warn("there is no host key here, so what is found is not stored", "")
	}
	if o.level == snapshot.LevelContent {
		if v.Identities, err = s.identities(ctx, o.identities); err != nil {
			return err
		}
	}
	work, err := a.toVerify(ctx, s, ids, o)
	if err != nil {
		return err
	}
	if len(o.unseal) > 0 {
		if v.Checkers[config.KindRaft], err = unsealing(config.KindRaft, s.sharesFrom(ctx, o.unseal, config.Secret{})); err != nil {
			return err
		}
		if err := s.onlyRaft(ctx, work); err != nil {
			return err
		}
	}
	p := a.startProgress()
	defer p.Stop()
	v.Progress = p.Report
	results := []*verify.Result{}
	var errs []error
	for _, w := range work {
		res, err := v.Vault(ctx, w.vault, w.ids...)
		if res != nil {
			results = append(results, res)
			errs = append(errs, res.Err())
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(res.Findings) == 0 && len(res.Damage) == 0 {
			// Nothing was found wrong, because there was nothing: that is no success.
			errs = append(errs, fmt.Errorf("verifying %s: %w", w.vault, snapshot.ErrNoSnapshot))
		}
	}
	p.Stop()
	err = a.print(map[string]any{"vaults": results}, func() { a.printVerified(results) })
	return together(append(errs, err)...)
}

// onlyRaft refuses work on vaults that nothing of is unsealed.
func (s *session) onlyRaft(ctx context.Context, work []verifyWork) error {
	for _, w := range work {
		list, err := s.catalog().List(ctx, w.vault)
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Manifest != nil && e.Manifest.Kind != config.KindRaft {
				return misuse(fmt.Errorf("--unseal is for vaults of kind %s; %s is of kind %s", config.KindRaft, w.vault, e.Manifest.Kind))
			}
		}
	}
	return nil
}

// verifier builds what checks snapshots at a level. On a host without a key, findings are not stored.
func (s *session) verifier(level string) *verify.Verifier {
	v := &verify.Verifier{Store: s.store, Repository: s.repository, Trust: s.trust, Level: level,
		Checkers: checkers(), Cache: s.cache(), HostName: s.hostName, Tool: tool(), Log: s.log}
	if s.host != nil {
		v.Signer = &s.host.Signer
	}
	if lock := s.cfg.Repository.Lock; lock.Mode != "" {
		v.Lock = snapshot.Lock{Mode: lock.Mode, Until: time.Now().AddDate(0, 0, lock.Days).UTC().Truncate(time.Second)}
	}
	return v
}

type verifyWork struct {
	vault string
	ids   []snapshot.ID // none: all
}

// toVerify groups what the command line names by vault. An id that cannot be found in a named
// vault is verified all the same: that it is missing is what verification is to say.
func (a *app) toVerify(ctx context.Context, s *session, ids []string, o verifyOptions) ([]verifyWork, error) {
	if o.all || len(ids) == 0 {
		names, err := s.stored(o.vault)
		if err != nil {
			return nil, err
		}
		var work []verifyWork
		for _, n := range names {
			work = append(work, verifyWork{vault: n})
		}
		return work, nil
	}
	var work []verifyWork
	for _, name := range ids {
		vault, id := o.vault, snapshot.ID("")
		if parsed, err := snapshot.ParseID(name); err == nil && vault != "" {
			id = parsed
		} else {
			m, err := s.findSnapshot(ctx, vault, name, time.Time{})
			if err != nil {
				return nil, err
			}
			vault, id = m.Vault, m.ID
		}
		work = addWork(work, vault, id)
	}
	return work, nil
}

func addWork(work []verifyWork, vault string, id snapshot.ID) []verifyWork {
	for i := range work {
		if work[i].vault == vault {
			work[i].ids = append(work[i].ids, id)
			return work
		}
	}
	return append(work, verifyWork{vault, []snapshot.ID{id}})
}

func (a *app) printVerified(results []*verify.Result) {
	for _, r := range results {
		for _, f := range r.Findings {
			verdict := "good"
			switch {
			case len(f.Damage) > 0:
				verdict = "DAMAGED"
			case !f.Good: // for a reason of its own, told as an error: objects that cannot be had, or shares that do not open it
				verdict = "FAILED, not all of it could be checked"
			}
			a.printf("%s: %s %s: %s, %d objects, %s, in %s\n", r.Vault, f.ID, f.Level, verdict, f.Objects,
				bytesText(f.Bytes), f.Finished.Sub(f.Started).Round(time.Millisecond))
			for _, d := range f.Damage {
				a.printf("  %s: %s\n", d.Key, d.Problem)
			}
		}
		for _, d := range r.Damage {
			a.printf("%s: DAMAGED\n  %s: %s\n", r.Vault, d.Key, d.Problem)
		}
		for _, n := range r.Notes {
			a.note("note: %s: %s", r.Vault, n)
		}
		if len(r.Findings) == 0 && len(r.Damage) == 0 {
			a.printf("%s: no snapshots\n", r.Vault)
		}
	}
}
