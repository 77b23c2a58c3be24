package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/config"
	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

func (a *app) cmdDoctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Find out whether this host can do its work",
		Long: `Checks the configuration, the keys, what the store can do (by trying it), the repository, and
that every vault is where the configuration says; of a database also that a pg_dump for it is here and that
its role may read all that is to be kept; of a cluster that its login works and may do what a snapshot
needs, and where it is drilled that the server's program runs. Nothing is dumped and nothing stays in the store.
Exit code 1 if something is wrong; warnings are for people.`,
		Example: "  holdfast doctor\n  holdfast doctor --json",
		Args:    wants(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

// A symptom is one line of doctor's result.
type symptom struct {
	What   string `json:"what"`
	State  string `json:"state"` // ok, warning, failed
	Detail string `json:"detail,omitempty"`
	err    error
}

// A diagnosis gathers symptoms.
type diagnosis struct{ list []symptom }

func (d *diagnosis) ok(what, detail string) {
	d.list = append(d.list, symptom{What: what, State: "ok", Detail: detail})
}
func (d *diagnosis) warn(what, detail string) {
	d.list = append(d.list, symptom{What: what, State: "warning", Detail: detail})
}

// check notes err, or that all is well.
func (d *diagnosis) check(what, detail string, err error) bool {
	if err != nil {
		d.list = append(d.list, symptom{What: what, State: "failed", Detail: err.Error(), err: err})
		return false
	}
	d.ok(what, detail)
	return true
}

func (d *diagnosis) errs() []error {
	var errs []error
	for _, s := range d.list {
		if s.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.What, s.err))
		}
	}
	return errs
}

func (a *app) doctor(ctx context.Context) error {
	s, err := a.configure(ctx)
	if err != nil {
		return err
	}
	d := &diagnosis{}
	d.ok("configuration", s.cfg.File())
	d.keys(s)
	d.store(ctx, s)
	for _, name := range s.cfg.VaultNames() {
		d.vault(ctx, s.cfg.Vaults[name], s.host != nil)
		d.placement(s.cfg, s.cfg.Vaults[name])
		d.drill(ctx, s.cfg.Vaults[name], s.host != nil)
	}
	err = a.print(map[string]any{"checks": d.list}, func() {
		var rows [][]string
		for _, x := range d.list {
			rows = append(rows, []string{x.State, x.What, oneLine(x.Detail)})
		}
		a.table([]string{"state", "what", "detail"}, rows)
	})
	return together(append(d.errs(), err)...)
}

func (d *diagnosis) keys(s *session) {
	if s.host == nil {
		d.warn("host key", fmt.Sprintf("%s is missing: this host can restore and verify, not take snapshots", s.cfg.Keys.Host))
	} else {
		d.ok("host key", "signs as "+s.host.Signer.Verifier)
	}
	to, err := s.recipients()
	if err != nil && needless(s.cfg, err) {
		d.warn("recipients", err.Error()+neededToTake)
	} else if d.check("recipients", fmt.Sprintf("%d", len(to)), err) {
		if escrow, err := s.cfg.Escrow(); err == nil && len(escrow) == 0 {
			d.warn("escrow", "none: if the identity is lost, so is every snapshot")
		}
	}
	identity := filepath.Join(s.cfg.Dir(), "identity.txt")
	if _, err := os.Stat(identity); err == nil && s.host != nil {
		d.warn("identity", identity+" lies on the host that takes snapshots: whoever breaks in here can read them all")
	}
}

func (d *diagnosis) store(ctx context.Context, s *session) {
	caps, err := store.Probe(ctx, s.store)
	if !d.check("store", s.cfg.Repository.URL, err) {
		return
	}
	for _, c := range caps {
		switch {
		case c.OK:
			d.ok("store: "+c.Name, c.Detail)
		case c.Required:
			d.check("store: "+c.Name, "", fmt.Errorf("%w: %s", snapshot.ErrUnsupported, c.Detail))
		default:
			d.warn("store: "+c.Name, c.Detail)
		}
	}
	r, err := snapshot.Open(ctx, s.store, s.trust)
	if d.check("repository", "", err) {
		d.list[len(d.list)-1].Detail = r.ID + ", signed by " + r.Signer
	}
}

// neededToTake ends what a host that only restores and verifies is warned of.
const neededToTake = ": needed to take snapshots only"

// vault checks that a vault is there, where snapshots of it are taken. Whether it is sound is
// found out when it is dumped.
func (d *diagnosis) vault(ctx context.Context, v *config.Vault, taken bool) {
	what := "vault " + v.Name
	src, err := source(v, reading{})
	if err != nil && !taken {
		d.warn(what, err.Error()+neededToTake)
		return
	}
	if err != nil {
		d.check(what, "", err)
		return
	}
	if p, ok := src.(preflighter); ok {
		d.preflight(ctx, what, v, p, taken)
		return
	}
	path, err := home(v.Kind, v)
	if err == nil {
		_, err = os.Stat(path)
	}
	if errors.Is(err, fs.ErrNotExist) && !taken {
		d.warn(what, v.Kind+" at "+path+": nothing is there, as before a restore")
		return
	}
	d.check(what, v.Kind+" at "+path, err)
}

// drill checks what a drill of a vault needs, if the configuration says how to do one.
func (d *diagnosis) drill(ctx context.Context, v *config.Vault, taken bool) {
	if v.Raft == nil {
		return
	}
	how := v.Raft.Drill
	if how.Shares.IsSet() && taken {
		d.warn("drill of "+v.Name, how.Shares.Reference()+" leads to unseal shares on the host that takes snapshots: whoever breaks in here can read all of the cluster")
	}
	if how.Program == "" && len(how.Canaries) == 0 && !how.Shares.IsSet() {
		return
	}
	program, err := serverProgram(how)
	if err != nil {
		d.check("drill of "+v.Name, "", err)
		return
	}
	version, err := programVersion(ctx, program)
	d.check("drill of "+v.Name, program+", "+version, err)
}

// preflight asks a vault on a server whether it could be dumped. On a host that takes no snapshots it
// may well be out of reach.
func (d *diagnosis) preflight(ctx context.Context, what string, v *config.Vault, p preflighter, taken bool) {
	warnings, err := p.Preflight(ctx)
	if err != nil && !taken {
		d.warn(what, err.Error()+neededToTake)
		return
	}
	if d.check(what, v.Kind+" at "+whereIs(v), err) {
		for _, w := range warnings {
			d.warn(what, w)
		}
	}
}
