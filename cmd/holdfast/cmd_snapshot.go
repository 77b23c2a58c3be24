package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/config"
	"holdfast/snapshot"
)

type snapshotOptions struct {
	all  bool
	job  string
	tags []string
	wait time.Duration
	full bool

	timeout time.Duration // of one vault; 0: none
	verify  string        // level that follows each snapshot; "": none
}

func (a *app) cmdSnapshot() *cobra.Command {
	var o snapshotOptions
	cmd := &cobra.Command{
		Use:   "snapshot [VAULT ...]",
		Short: "Take snapshots of vaults",
		Long: `Dump vaults, store what is new and commit a snapshot of each.

Every vault is on its own: one that fails keeps no other from being stored, and the worst
outcome is the exit code. A snapshot exists whole or not at all.

With --job, the job's timeout holds for each vault, and its checksum verification follows.`,
		Example: `  holdfast snapshot payments
  holdfast snapshot --all --tag before-rotation
  holdfast snapshot --job nightly`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.snapshot(cmd.Context(), args, o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, "every configured vault")
	f.StringVar(&o.job, "job", "", "the vaults of a configured job, as that job")
	f.StringArrayVar(&o.tags, "tag", nil, "`KEY=VALUE` or KEY to put into the manifest, in the clear")
	f.DurationVar(&o.wait, "wait", 0, "how long to wait for another run of the same vault to end")
	f.BoolVar(&o.full, "full", false, "read everything, also what cannot have changed since the last snapshot (postgres)")
	cmd.ValidArgsFunction = a.completeVaults
	return cmd
}

// A taken is one line of snapshot's result.
type taken struct {
	Vault    string             `json:"vault"`
	Snapshot *snapshot.Manifest `json:"snapshot,omitempty"`
	Error    string             `json:"error,omitempty"`
	Exit     int                `json:"exit"`

	outcome string // for people, if there is no snapshot
}

// errNotAttempted is what became of a vault whose turn did not come.
var errNotAttempted = errors.New("not attempted")

func (a *app) snapshot(ctx context.Context, names []string, o snapshotOptions) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	if o.job != "" {
		job, ok := s.cfg.Jobs[o.job]
		if !ok {
			return misuse(fmt.Errorf("no job %q in %s", o.job, s.cfg.File()))
		}
		if o.all || len(names) > 0 {
			return misuse(errors.New("--job names its vaults itself"))
		}
		names, o.timeout, o.verify = job.Vaults, job.Timeout.Std(), job.Verify
	}
	if names, err = s.vaults(names, o.all); err != nil {
		return err
	}
	if len(names) == 0 {
		return &usage{message: "say which vaults, or --all", hint: s.vaultsHint()}
	}
	tags, err := parseTags(o.tags)
	if err != nil {
		return err
	}
	var results []taken
	var errs []error
	for _, name := range names {
		m, err := a.takeNext(ctx, s, s.cfg.Vaults[name], tags, o)
		results = append(results, takenOf(ctx, name, m, err))
		errs = append(errs, err)
	}
	err = a.print(map[string]any{"snapshots": results}, func() { a.printTaken(results, len(names) > 1) })
	return together(append(errs, err)...)
}

// takeNext takes the next vault's snapshot, unless the run was interrupted. A commit is not: who
// interrupts one gets its snapshot, and an error for each vault that is left.
func (a *app) takeNext(ctx context.Context, s *session, v *config.Vault, tags map[string]string, o snapshotOptions) (*snapshot.Manifest, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", v.Name, errNotAttempted)
	}
	return a.take(ctx, s, v, tags, o)
}

func (a *app) take(ctx context.Context, s *session, v *config.Vault, tags map[string]string, o snapshotOptions) (*snapshot.Manifest, error) {
	if err := checkPlacement(s.cfg, v); err != nil {
		return nil, err
	}
	src, err := source(v, reading{full: o.full, log: s.log})
	if err != nil {
		return nil, err
	}
	t, err := s.taker(v)
	if err != nil {
		return nil, err
	}
	t.Job, t.Tags, t.Wait = o.job, mergeTags(v.Tags, tags), o.wait
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	p := a.startProgress()
	defer p.Stop()
	t.Progress = p.Report
	m, err := t.Take(ctx, src)
	if err != nil {
		return nil, adviseVault(v, fmt.Errorf("snapshot of %s: %w", v.Name, err))
	}
	s.log.Info("snapshot taken", "source", v.Name, "snapshot", m.ID, "bytes", m.Totals.PlainBytes, "elapsed", m.Finished.Sub(m.Started))
	p.Stop()
	return m, a.verifyTaken(ctx, s, m, o.verify)
}

// verifyTaken does the verification that a job wants after a snapshot, as far as a host without an
// identity can.
func (a *app) verifyTaken(ctx context.Context, s *session, m *snapshot.Manifest, level string) error {
	switch level {
	case "":
		return nil
	case snapshot.LevelContent, snapshot.LevelRestore:
		a.warn(fmt.Sprintf("%s: verification at level %s needs an identity: the snapshot was checked at level checksum", m.Vault, level),
			"run `holdfast verify latest --level content -i FILE` where the identity is")
	}
	res, err := s.verifier(snapshot.LevelChecksum).Vault(ctx, m.Vault, m.ID)
	if err != nil {
		return err
	}
	return res.Err()
}

// adviseVault adds a hint to an error of the vault itself: what exit.go says of damage and of
// missing things is about the repository.
func adviseVault(v *config.Vault, err error) error {
	var d *snapshot.Damage
	switch {
	case errors.As(err, &d) && filepath.IsAbs(d.Key):
		return advise(err, "the vault itself is damaged: repair it, or restore its newest snapshot; what is stored already is untouched")
	case d == nil && hasPath(v) && errors.Is(err, fs.ErrNotExist):
		return advise(err, "check that the vault's path is the right one and that its disk is mounted")
	}
	return err
}

// hasPath tells vaults that lie on a disk of this host from those on servers, whose missing files are those of their login.
func hasPath(v *config.Vault) bool { return v.SQLite != nil || v.Files != nil || v.AuditLog != nil }

func takenOf(ctx context.Context, name string, m *snapshot.Manifest, err error) taken {
	t := taken{Vault: name, Snapshot: m, outcome: "failed"}
	if errors.Is(err, errNotAttempted) {
		t.outcome = "not attempted"
	}
	if err != nil {
		t.Error = err.Error()
		if ctx.Err() != nil {
			err = &interrupted{err}
		}
		t.Exit, _ = judge(err)
	}
	return t
}

func (a *app) printTaken(results []taken, several bool) {
	for _, r := range results {
		if r.Snapshot == nil {
			if several {
				a.printf("%s: %s\n", r.Vault, r.outcome)
			}
			continue
		}
		m := r.Snapshot
		a.printf("%s: %s, %s in %d rows, %s new, in %s\n", m.Vault, m.ID, bytesText(m.Totals.PlainBytes),
			m.Totals.Rows, bytesText(m.Totals.NewBytes), m.Finished.Sub(m.Started).Round(10*time.Millisecond))
		for _, w := range m.Warnings {
			a.warn(m.Vault+": "+w, "")
		}
	}
}

// parseTags reads KEY=VALUE; a KEY alone has the value "true".
func parseTags(list []string) (map[string]string, error) {
	tags := map[string]string{}
	for _, t := range list {
		k, v, ok := strings.Cut(t, "=")
		if k == "" || len(t) > 256 || strings.ContainsFunc(t, func(r rune) bool { return r < ' ' }) {
			return nil, misuse(fmt.Errorf("--tag %q: use KEY=VALUE, at most 256 characters", t))
		}
		if !ok {
			v = "true"
		}
		tags[k] = v
	}
	return tags, nil
}

func mergeTags(a, b map[string]string) map[string]string {
	if len(a)+len(b) == 0 {
		return nil
	}
	m := map[string]string{}
	for k, v := range a {
		m[k] = v
	}
	for k, v := range b {
		m[k] = v
	}
	return m
}
