package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/restore"
	"holdfast/snapshot"
)

// A Drilled is what one drill showed.
type Drilled struct {
	restore.DrillLog
	Finding snapshot.Finding `json:"finding"`
	Loaded  restore.Loaded   `json:"loaded"`
	RTA     float64          `json:"rta_seconds"` // from the first phase to the end of the last that a restore needs
	RPA     float64          `json:"rpa_seconds"` // age of the data when the drill began
}

// destroyPhase is the phase that a restore in earnest does not have.
const destroyPhase = "destroy"

// Drill really restores m by r and stores what was found. An error means that the drill did not
// come to its end: unless it matches snapshot.ErrDamaged, that says nothing of the snapshot and
// no finding is stored. Nor is one of a drill that could compare nothing, which is told as a limit. A check
// that failed makes a finding that is not good.
func (v *Verifier) Drill(ctx context.Context, m *snapshot.Manifest, r restore.Rehearsal, began func(phase string)) (*Drilled, error) {
	v = v.withDefaults()
	d := &Drilled{DrillLog: restore.DrillLog{Began: began, Phases: []restore.Phase{}, Checks: []restore.Check{}}}
	f := &snapshot.Finding{Repository: v.Repository.ID, Vault: m.Vault, ID: m.ID, Level: snapshot.LevelRestore, DataAsOf: m.DataAsOf,
		Started: v.Now().UTC().Truncate(time.Millisecond), Host: v.HostName, Tool: v.Tool}
	err := v.rehearse(ctx, m, r, d)
	if err == nil {
		err = context.Cause(ctx) // what came after it was cancelled is nothing to rely on
	}
	compared := len(d.Checks) > 0
	if err == nil && !compared {
		d.Limit("nothing was compared, so no finding is stored: the snapshot counts as verified by this no more than before")
	}
	f.Finished = v.Now().UTC()
	f.Good = err == nil && compared && d.Good()
	f.Drill = summary(&d.DrillLog)
	for _, st := range d.Loaded.Streams {
		f.Rows += st.Rows
	}
	f.Objects, f.Bytes = m.Totals.Packs, m.Totals.StoredBytes
	d.RPA, d.RTA = f.Started.Sub(m.DataAsOf).Seconds(), neededSeconds(d.Phases)
	damage := (*snapshot.Damage)(nil)
	if errors.As(err, &damage) {
		f.Damage = []snapshot.Complaint{{Key: damage.Key, Problem: damage.Cause.Error()}}
	}
	d.Finding = *f
	if err != nil && (damage == nil || ctx.Err() != nil) {
		return d, fmt.Errorf("drill of snapshot %s of %s: %w", m.ID, m.Vault, err)
	}
	v.Log.Info("drilled", "snapshot", m.ID, "source", m.Vault, "good", f.Good, "elapsed", f.Finished.Sub(f.Started))
	if v.Signer != nil && (compared || damage != nil) {
		if werr := snapshot.WriteFinding(ctx, v.Store, f, *v.Signer, v.Lock); werr != nil {
			return d, errors.Join(err, werr)
		}
		v.Cache.Remember(m.Vault, snapshot.Witness{Findings: []string{f.Key()}})
	}
	if err != nil {
		return d, fmt.Errorf("drill of snapshot %s of %s: %w", m.ID, m.Vault, err)
	}
	return d, nil
}

func (v *Verifier) rehearse(ctx context.Context, m *snapshot.Manifest, r restore.Rehearsal, d *Drilled) error {
	var s *restore.Snapshot
	err := d.Phase("open", func() (string, error) {
		var err error
		s, err = restore.Open(ctx, v.Store, m, v.Trust, v.Progress, v.Identities...)
		return "", err
	})
	if err != nil {
		return err
	}
	d.Loaded, err = r.Rehearse(ctx, s, &d.DrillLog)
	return err
}

// summary is what of a drill may be public.
func summary(l *restore.DrillLog) *snapshot.Drill {
	s := &snapshot.Drill{Phases: []snapshot.Phase{}, Checks: len(l.Checks), Limits: l.Limits}
	for _, p := range l.Phases {
		s.Phases = append(s.Phases, snapshot.Phase{Name: p.Name, Seconds: p.Seconds, Failed: p.Error != ""})
	}
	for _, c := range l.Checks {
		if !c.Good {
			s.Failed++
		}
	}
	return s
}

func neededSeconds(phases []restore.Phase) (sum float64) {
	for _, p := range phases {
		if p.Name != destroyPhase {
			sum += p.Seconds
		}
	}
	return sum
}
