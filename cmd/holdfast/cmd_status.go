package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/config"
	"holdfast/snapshot"
)

func (a *app) cmdStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [VAULT ...]",
		Short: "Show whether the vaults are protected as promised",
		Long: `For each vault: its newest snapshot, the newest that was verified, and whether that is within the
RPO of its objectives. A vault without a snapshot misses any objective. Exit code 5 if one is missed,
3 if snapshots cannot be relied on. What verification found damaged stays so until all of it was found
good at the same level or a higher one; a sample proves damage, and never that there is none.`,
		Example: "  holdfast status\n  holdfast status payments --json",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.status(cmd.Context(), args) },
	}
	cmd.ValidArgsFunction = a.completeVaults
	return cmd
}

// A vaultStatus is one line of status.
type vaultStatus struct {
	Vault        string      `json:"vault"`
	Snapshots    int         `json:"snapshots"`
	Damaged      int         `json:"damaged"` // not to be trusted, or found damaged since the newest that was found good
	Latest       snapshot.ID `json:"latest,omitempty"`
	DataAsOf     *time.Time  `json:"data_as_of,omitempty"`
	Age          float64     `json:"age_seconds,omitempty"`
	Verified     snapshot.ID `json:"verified,omitempty"` // newest that was found good
	VerifiedAsOf *time.Time  `json:"verified_as_of,omitempty"`
	RPO          float64     `json:"rpo_seconds,omitempty"`
	State        string      `json:"state"`             // ok, stale, unverified, missing, damaged
	Problem      string      `json:"problem,omitempty"` // with the vault as a whole

	problem error
}

func (a *app) status(ctx context.Context, names []string) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	if names, err = s.vaults(names, len(names) == 0); err != nil {
		return err
	}
	var list []vaultStatus
	var errs []error
	for _, name := range names {
		st, err := s.status(ctx, s.cfg.Vaults[name], time.Now())
		if err != nil {
			return err
		}
		list = append(list, st)
		errs = append(errs, st.err())
	}
	err = a.print(map[string]any{"vaults": list}, func() { a.printStatus(list) })
	return together(append(errs, err)...)
}

// lookBack is how many snapshots are searched for a good finding.
const lookBack = 50

func (s *session) status(ctx context.Context, v *config.Vault, now time.Time) (vaultStatus, error) {
	st := vaultStatus{Vault: v.Name, RPO: v.Objectives.RPO.Std().Seconds(), State: "missing"}
	list, err := s.catalog().List(ctx, v.Name)
	if err != nil {
		return st, err
	}
	st.Snapshots = len(list)
	for i := len(list) - 1; i >= 0; i-- {
		e := list[i]
		if e.Err != nil {
			st.Damaged++
			continue
		}
		if st.Verified != "" || st.Latest != "" && len(list)-i > lookBack {
			continue
		}
		findings, err := snapshot.ReadFindings(ctx, s.store, s.repository.ID, v.Name, e.ID, s.trust)
		if err != nil && !errors.Is(err, snapshot.ErrDamaged) {
			return st, err
		}
		damaged, verified := standing(findings)
		if damaged {
			st.Damaged++
			continue
		}
		if st.Latest == "" {
			st.Latest, st.DataAsOf, st.Age = e.ID, &e.Manifest.DataAsOf, now.Sub(e.Manifest.DataAsOf).Seconds()
		}
		if verified {
			st.Verified, st.VerifiedAsOf = e.ID, &e.Manifest.DataAsOf
		}
	}
	st.problem = s.compareLease(ctx, v.Name, list)
	if st.problem != nil && !errors.Is(st.problem, snapshot.ErrDamaged) {
		return st, st.problem
	}
	if st.problem != nil {
		st.Problem = st.problem.Error()
	}
	st.State = st.judge(v.Objectives.RPO.Std(), now)
	return st, nil
}

// levels of verification, from the cheapest to the most telling.
var levels = []string{snapshot.LevelChecksum, snapshot.LevelContent, snapshot.LevelRestore}

// standing is what the findings about one snapshot, oldest first, come to. Damage stands until
// a later finding of the same level or a higher one is good, and that one read all of it.
func standing(findings []snapshot.Finding) (damaged, verified bool) {
	bad := -1 // the highest level at which damage stands
	for _, f := range findings {
		level := max(0, slices.Index(levels, f.Level))
		sampled := f.Sample > 0 && f.Sample < 100
		switch {
		case !f.Good:
			bad, verified = max(bad, level), false
		case !sampled && level >= bad:
			bad, verified = -1, true
		}
	}
	return bad >= 0, verified
}

// compareLease compares the newest of a vault's snapshots that can be trusted with the one that its
// lease names: a snapshot that was deleted whole leaves no other trace.
func (s *session) compareLease(ctx context.Context, vault string, list []snapshot.Entry) error {
	newest := snapshot.ID("")
	for _, e := range list {
		if e.Err == nil {
			newest = e.ID
		}
	}
	l, err := snapshot.ReadLease(ctx, s.store, s.repository.ID, vault, s.trust)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(list) == 0:
		return nil // nothing was ever taken
	case errors.Is(err, fs.ErrNotExist):
		return snapshot.Damaged(snapshot.LeaseKey(vault), "missing")
	case err != nil:
		return err
	case l.Last <= newest:
		return nil
	}
	// It may have been committed since the listing.
	_, err = snapshot.ReadManifest(ctx, s.store, s.repository.ID, vault, l.Last, s.trust)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the newest snapshot, %s, is missing: %w", l.Last, snapshot.ErrDamaged)
	}
	return err
}

func (st vaultStatus) judge(rpo time.Duration, now time.Time) string {
	switch {
	case st.Damaged > 0, st.problem != nil:
		return "damaged"
	case st.Latest == "":
		return "missing"
	case rpo > 0 && now.Sub(*st.DataAsOf) > rpo:
		return "stale"
	case st.Verified == "":
		return "unverified"
	case rpo > 0 && now.Sub(*st.VerifiedAsOf) > rpo:
		return "unverified"
	}
	return "ok"
}

// err is what the state means for the exit code. A snapshot that nobody has verified yet is said,
// and is an error only once the objective has run out on the last one that was.
func (st vaultStatus) err() error {
	switch {
	case st.problem != nil:
		return fmt.Errorf("%s: %w", st.Vault, st.problem)
	case st.State == "damaged":
		return fmt.Errorf("%s: %s cannot be relied on: %w", st.Vault, count(st.Damaged, "snapshot"), snapshot.ErrDamaged)
	case st.State == "missing":
		return advise(fmt.Errorf("%s: there is no snapshot: %w", st.Vault, errObjective), "`holdfast snapshot "+st.Vault+"` takes one")
	case st.State == "stale":
		return advise(fmt.Errorf("%s: the newest snapshot is of %s: %w", st.Vault, stamp(*st.DataAsOf), errObjective),
			"find out why none was taken since; `holdfast snapshot "+st.Vault+"` takes one")
	}
	return nil
}

func (a *app) printStatus(list []vaultStatus) {
	var rows [][]string
	for _, st := range list {
		age, rpo := "", ""
		if st.DataAsOf != nil {
			age = ageText(*st.DataAsOf, time.Now())
		}
		if st.RPO > 0 {
			rpo = config.Duration(st.RPO * float64(time.Second)).String()
		}
		rows = append(rows, []string{st.Vault, st.State, strconv.Itoa(st.Snapshots), string(st.Latest), age, rpo, string(st.Verified)})
	}
	a.table([]string{"vault", "state", "snapshots", "latest", "age", "rpo", "verified"}, rows, 2)
}
