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
	Sample     int    // percent of the packs to read; 0 or 100: all
	Identities []age.Identity
	Checkers   map[string]restore.Checker // by kind; a kind without one gets restore.Digests

	Signer   *snapshot.Signer // nil: findings are not stored
	Lock     snapshot.Lock    // of stored findings
	Cache    *snapshot.Cache  // holds what this host witnessed; nil: nothing
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
	Errors   []error              `json:"-"`                // objects that could not be read, findings that could not be stored
	Notes    []string             `json:"notes,omitempty"`
}

// Good reports whether everything was checked and nothing at all was wrong.
func (r *Result) Good() bool {
	return len(r.Damage) == 0 && len(r.Errors) == 0 && !slices.ContainsFunc(r.Findings, func(f snapshot.Finding) bool { return !f.Good })
}

// Err is nil for a good result. If there is damage it matches snapshot.ErrDamaged and names the
// first object; errors of the check itself are joined to it.
func (r *Result) Err() error {
	all := slices.Clone(r.Damage)
	for _, f := range r.Findings {
		all = append(all, f.Damage...)
	}
	var errs []error
	switch len(all) {
	case 0:
	case 1:
		errs = append(errs, fmt.Errorf("verifying %s: %w", r.Vault, snapshot.Damaged(all[0].Key, "%s", all[0].Problem)))
	default:
		errs = append(errs, fmt.Errorf("verifying %s: %w, and %d more", r.Vault, snapshot.Damaged(all[0].Key, "%s", all[0].Problem), len(all)-1))
	}
	for _, err := range r.Errors {
		errs = append(errs, fmt.Errorf("verifying %s: %w", r.Vault, err))
	}
	return errors.Join(errs...)
}

// Vault checks the snapshots of a vault with the given ids (none: all of them) and the objects
// around them. An error means that the check could not go on; the result, unless nil, holds what
// was found until then.
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
		f, err := v.snapshot(ctx, vault, id, packs, res)
		if err != nil {
			return res, fmt.Errorf("verifying snapshot %s of %s: %w", id, vault, err)
		}
		res.Findings = append(res.Findings, *f)
	}
	res.Damage, res.Notes = c.list, append(s.notes, res.Notes...)
	res.Errors = append(res.Errors, c.unread...)
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

// snapshot checks one snapshot and stores the finding. A snapshot that could not be read as a whole is
// found neither good nor, unless damage was seen, bad: no finding is stored.
func (v *Verifier) snapshot(ctx context.Context, vault string, id snapshot.ID, packs *packChecker, res *Result) (*snapshot.Finding, error) {
	f := &snapshot.Finding{Repository: v.Repository.ID, Vault: vault, ID: id, Level: v.Level, Sample: v.Sample,
		Started: v.Now().UTC().Truncate(time.Millisecond), Host: v.HostName, Tool: v.Tool, DataAsOf: id.Time()}
	c := &collector{}
	if err := v.look(ctx, f, c, packs); err != nil {
		return nil, err
	}
	f.Finished = v.Now().UTC()
	f.Damage, f.Good = c.list, len(c.list) == 0 && len(c.unread) == 0
	res.Errors = append(res.Errors, c.unread...)
	for _, n := range c.notes {
		res.Notes = append(res.Notes, string(id)+": "+n)
	}
	v.Log.Info("verified", "snapshot", id, "source", vault, "bytes", f.Bytes, "elapsed", f.Finished.Sub(f.Started))
	if v.Signer == nil || len(c.unread) > 0 && len(c.list) == 0 {
		return f, nil
	}
	if err := snapshot.WriteFinding(ctx, v.Store, f, *v.Signer, v.Lock); err != nil {
		res.Errors = append(res.Errors, err)
		return f, nil
	}
	v.Cache.Remember(vault, snapshot.Witness{Findings: []string{f.Key()}})
	return f, nil
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
