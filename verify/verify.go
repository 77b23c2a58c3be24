package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"filippo.io/age"

	"holdfast/restore"
	"holdfast/snapshot"
)

// A Verifier checks snapshots of one repository. Its fields are set before use.
type Verifier struct {
	Store      snapshot.Store
	Repository *snapshot.Repository
	Trust      snapshot.Trust
	Level      string // snapshot.LevelChecksum or LevelContent
	Sample     int    // percent of the packs to read at level checksum; 0 or 100: all
	Identities []age.Identity
	Checkers   map[string]restore.Checker // by kind; a kind without one gets restore.Digests

	Signer   *snapshot.Signer // nil: findings are not stored
	HostName string
	Tool     string
	Parallel int // packs read at once; zero: 4

	Now      func() time.Time
	Log      *slog.Logger
	Progress snapshot.Progress
}

// A Result is what was found about one vault.
type Result struct {
	Vault    string               `json:"vault"`
	Findings []snapshot.Finding   `json:"findings"`
	Damage   []snapshot.Complaint `json:"damage,omitempty"` // of objects that belong to no one snapshot
	Notes    []string             `json:"notes,omitempty"`
}

// Good reports whether nothing at all was wrong.
func (r *Result) Good() bool {
	return len(r.Damage) == 0 && !slices.ContainsFunc(r.Findings, func(f snapshot.Finding) bool { return !f.Good })
}

// Err is nil for a good result; else it matches snapshot.ErrDamaged and names the first object.
func (r *Result) Err() error {
	all := slices.Clone(r.Damage)
	for _, f := range r.Findings {
		all = append(all, f.Damage...)
	}
	if len(all) == 0 {
		return nil
	}
	err := snapshot.Damaged(all[0].Key, "%s", all[0].Problem)
	if len(all) > 1 {
		return fmt.Errorf("verifying %s: %w, and %d more", r.Vault, err, len(all)-1)
	}
	return fmt.Errorf("verifying %s: %w", r.Vault, err)
}

// Vault checks the snapshots of a vault with the given ids (none: all of them) and the objects
// around them. An error means that the check itself could not be done.
func (v *Verifier) Vault(ctx context.Context, vault string, ids ...snapshot.ID) (*Result, error) {
	v = v.withDefaults()
	res := &Result{Vault: vault, Findings: []snapshot.Finding{}}
	c := &collector{}
	s, err := v.survey(ctx, vault, c)
	if err != nil {
		return nil, fmt.Errorf("verifying %s: %w", vault, err)
	}
	for _, id := range ids {
		if !slices.Contains(s.ids, id) {
			c.add(snapshot.ManifestKey(vault, id), errors.New("missing"))
		}
	}
	packs := &packChecker{v: v, vault: vault, seen: map[packID]error{}}
	for _, id := range s.ids {
		if len(ids) > 0 && !slices.Contains(ids, id) {
			continue
		}
		f, err := v.snapshot(ctx, vault, id, packs)
		if err != nil {
			return nil, fmt.Errorf("verifying snapshot %s of %s: %w", id, vault, err)
		}
		res.Findings = append(res.Findings, *f)
	}
	res.Damage, res.Notes = c.list, s.notes
	if v.Level == snapshot.LevelChecksum {
		v.Progress.Report(snapshot.Step{Name: vault, Done: true})
	}
	return res, nil
}

func (v *Verifier) withDefaults() *Verifier {
	c := *v
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Parallel == 0 {
		c.Parallel = 4
	}
	return &c
}

// snapshot checks one snapshot and stores the finding.
func (v *Verifier) snapshot(ctx context.Context, vault string, id snapshot.ID, packs *packChecker) (*snapshot.Finding, error) {
	f := &snapshot.Finding{Repository: v.Repository.ID, Vault: vault, ID: id, Level: v.Level, Sample: v.Sample,
		Started: v.Now().UTC().Truncate(time.Millisecond), Host: v.HostName, Tool: v.Tool, DataAsOf: id.Time()}
	c := &collector{}
	if err := v.look(ctx, f, c, packs); err != nil {
		return nil, err
	}
	f.Finished = v.Now().UTC()
	f.Damage, f.Good = c.list, len(c.list) == 0
	v.Log.Info("verified", "snapshot", id, "key", vault, "bytes", f.Bytes, "elapsed", f.Finished.Sub(f.Started))
	if v.Signer == nil {
		return f, nil
	}
	return f, snapshot.WriteFinding(ctx, v.Store, f, *v.Signer)
}

func (v *Verifier) look(ctx context.Context, f *snapshot.Finding, c *collector, packs *packChecker) error {
	m, err := snapshot.ReadManifest(ctx, v.Store, v.Repository.ID, f.Vault, f.ID, v.Trust)
	f.Objects++
	if err != nil {
		return c.take(snapshot.ManifestKey(f.Vault, f.ID), err)
	}
	f.DataAsOf = m.DataAsOf
	if v.Level == snapshot.LevelChecksum {
		return v.checksum(ctx, m, f, c, packs)
	}
	return v.content(ctx, m, f, c, packs)
}
