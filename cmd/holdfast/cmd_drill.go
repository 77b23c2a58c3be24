package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/config"
	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/verify"
)

type drillOptions struct {
	all        bool
	hash       bool
	id         string
	identities []string
	unseal     []string
}

func (a *app) cmdDrill() *cobra.Command {
	var o drillOptions
	cmd := &cobra.Command{
		Use:   "drill [VAULT ...]",
		Short: "Really restore into a scratch server, look at it, time it and destroy it",
		Long: `Rehearse a disaster: restore the newest snapshot of a vault into a server made for nothing else, on
this host alone and in a private folder, look at what came back as its users would, time every phase,
store a signed finding of level restore beside the snapshot, and destroy the server.

For vaults of kind raft: a scratch vault or bao server (drill.program, or the one in PATH) gets the
snapshot and is unsealed with shares of the snapshot's cluster, given by --unseal or drill.shares.
Mounts, policies, auth methods and every stored entry are compared with the snapshot, and the
canaries of drill.canaries are read: secrets whose value is known by a salted hash, which
--hash makes of standard input. Without shares, or where a cloud's key unseals, the drill goes as far
as it can and says where it stopped.

A drill that takes longer than objectives.rto ends with exit code 5.`,
		Example: `  holdfast drill core -i identity.txt --unseal shares.txt
  holdfast drill --all -i identity.txt --unseal env:UNSEAL_SHARES --json
  printf %s "$KNOWN_VALUE" | holdfast drill --hash`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.hash {
				return a.hashCanary(args, o)
			}
			return a.drill(cmd.Context(), args, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, "every configured vault that can be drilled")
	f.StringVar(&o.id, "snapshot", "", "the `ID` to restore; else the newest of each vault")
	f.StringArrayVarP(&o.identities, "identity", "i", nil, "identity `FILE` that opens the snapshots")
	f.StringArrayVar(&o.unseal, "unseal", nil, unsealFlag)
	f.BoolVar(&o.hash, "hash", false, "print the salted hash of the value on standard input, for drill.canaries")
	cmd.ValidArgsFunction = a.completeVaults
	return cmd
}

// hashCanary prints what a canary's hash is to be.
func (a *app) hashCanary(args []string, o drillOptions) error {
	if len(args) > 0 || o.all || o.id != "" {
		return misuse(errors.New("--hash reads standard input and goes with nothing else"))
	}
	value, err := bufio.NewReader(io.LimitReader(a.stdin, 1<<20)).ReadString(0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the value: %w", err)
	}
	if value = strings.TrimSuffix(value, "\n"); value == "" {
		return misuse(errors.New("--hash: there is no value on standard input"))
	}
	hash := hashCanary(value)
	return a.print(map[string]string{"hash": hash}, func() { a.printf("%s\n", hash) })
}

// A drilled is one line of drill's result.
type drilled struct {
	Vault string `json:"vault"`
	*verify.Drilled
	Good  bool   `json:"good"` // false also where nothing could be compared: then there are no checks
	Error string `json:"error,omitempty"`
	Exit  int    `json:"exit"`
}

func (a *app) drill(ctx context.Context, names []string, o drillOptions) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	vaults, err := s.toDrill(names, o)
	if err != nil {
		return err
	}
	v := s.verifier(snapshot.LevelRestore)
	if v.Identities, err = s.identities(ctx, o.identities); err != nil {
		return err
	}
	if v.Signer == nil {
		a.warn("there is no host key here, so what is found is not stored", "")
	}
	results := []drilled{}
	var errs []error
	for _, vault := range vaults {
		r, err := a.drillOne(ctx, s, v, vault, o)
		if err != nil {
			r.Error = err.Error()
			r.Exit, _ = judge(err)
		}
		results, errs = append(results, r), append(errs, err)
	}
	err = a.print(map[string]any{"drills": results}, func() { a.printDrilled(results) })
	return together(append(errs, err)...)
}

// toDrill are the vaults to drill: those named, or of all configured ones those that can be.
func (s *session) toDrill(names []string, o drillOptions) ([]*config.Vault, error) {
	names, err := s.vaults(names, o.all)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, &usage{message: "say which vaults, or --all", hint: s.vaultsHint()}
	}
	if o.id != "" && len(names) > 1 {
		return nil, misuse(errors.New("--snapshot goes with one vault"))
	}
	var list []*config.Vault
	for _, name := range names {
		v := s.cfg.Vaults[name]
		if rehearsable(v.Kind) {
			list = append(list, v)
		} else if !o.all {
			return nil, &usage{message: fmt.Sprintf("vault %s is of kind %s, which this version does not drill", name, v.Kind),
				hint: "restore --dry-run --to URL really loads it and keeps nothing"}
		}
	}
	if len(list) == 0 {
		return nil, misuse(errors.New("none of the configured vaults is of a kind that this version drills"))
	}
	return list, nil
}

func (a *app) drillOne(ctx context.Context, s *session, v *verify.Verifier, vault *config.Vault, o drillOptions) (drilled, error) {
	out := drilled{Vault: vault.Name}
	m, err := s.findSnapshot(ctx, vault.Name, o.id, time.Time{})
	if err != nil {
		return out, err
	}
	r, err := rehearsal(m.Kind, vault, s.sharesFrom(ctx, o.unseal, sharesOf(vault)), s.log)
	if err != nil {
		return out, err
	}
	out.Drilled, err = v.Drill(ctx, m, r, func(phase string) { a.note("%s: %s ...", vault.Name, phase) })
	if err != nil {
		return out, err
	}
	out.Good = out.Finding.Good
	var errs []error
	for _, c := range out.Checks {
		if !c.Good {
			errs = append(errs, fmt.Errorf("drill of snapshot %s of %s: %s: %s: %w", m.ID, m.Vault, c.Name, c.Detail, errDrill))
		}
	}
	if rto := vault.Objectives.RTO.Std(); rto > 0 && out.RTA > rto.Seconds() {
		errs = append(errs, fmt.Errorf("drill of snapshot %s of %s took %.1f s, and the objective is %s: %w", m.ID, m.Vault, out.RTA, rto, errObjective))
	}
	return out, together(errs...)
}

// errDrill means that what a drill restored is not what was dumped.
var errDrill = errors.New("the restored vault is not as it should be")

func (a *app) printDrilled(results []drilled) {
	for _, r := range results {
		if r.Drilled == nil {
			continue
		}
		var rows [][]string
		for _, p := range r.Phases {
			outcome := p.Detail
			if p.Error != "" {
				outcome = "FAILED: " + p.Error
			}
			rows = append(rows, []string{p.Name, fmt.Sprintf("%.2f s", p.Seconds), outcome})
		}
		a.printf("%s: %s, data as of %s\n", r.Vault, r.Finding.ID, stamp(r.Finding.DataAsOf))
		a.table([]string{"phase", "took", ""}, rows, 1)
		for _, c := range r.Checks {
			verdict := "good"
			if !c.Good {
				verdict = "FAILED"
			}
			a.printf("  %s: %s: %s\n", verdict, c.Name, c.Detail)
		}
		for _, l := range r.Limits {
			a.printf("  not shown: %s\n", l)
		}
		for _, n := range r.Loaded.Notes {
			a.note("note: %s: %s", r.Vault, n)
		}
		if failed := slices.ContainsFunc(r.Phases, func(p restore.Phase) bool { return p.Error != "" }); failed {
			a.printf("%s: FAILED: not restored\n", r.Vault)
			continue
		}
		verdict := "good"
		switch {
		case len(r.Checks) == 0:
			verdict = "not compared"
		case !r.Good:
			verdict = "FAILED"
		}
		a.printf("%s: %s: restored in %.2f s (RTA), data %s old (RPA)\n", r.Vault, verdict, r.RTA, time.Duration(r.RPA*float64(time.Second)).Round(time.Second))
	}
}
