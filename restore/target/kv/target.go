package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/vaultapi"
)

// A Target restores secrets to a server. It implements restore.Target and restore.Surveyor. Its methods
// are for one goroutine.
type Target struct {
	Server   *vaultapi.Server
	Only     []string // patterns (see kv.Pattern) of secrets in the snapshot, with their mount; none means all
	Mount    string   // restore to this mount, in place of the one that the secrets are of
	Replace  bool     // secrets that are there and differ give way, each as a whole
	Create   bool     // make mounts that are missing
	Rehearse bool     // write nothing; tell the difference
	Workers  int      // how many secrets are written at once; 0 means 4
	Progress snapshot.Progress
	Log      *slog.Logger // nil discards

	found *found // by the last call
}

// found is what a call found in the indexes of a dump, so that the next need not read them again: Load comes
// after Preflight.
type found struct {
	dump restore.Dump
	only string
	few  map[string][]kv.Place // by mount
}

var (
	// ErrNoMatch means that nothing in the dump matches Only.
	ErrNoMatch = errors.New("nothing matches")
	// ErrNoMount means that the server lacks a mount, or has something else there.
	ErrNoMount = errors.New("no such KV mount")
	// ErrRights means that the token may not do all that a load does.
	ErrRights = errors.New("the token lacks rights")
	// ErrTooMuch means that replacing needs more memory for copies than there is.
	ErrTooMuch = errors.New("more would be replaced than can be held in memory to be put back")
	// ErrRaced means that somebody else wrote to a secret while it was restored.
	ErrRaced = errors.New("somebody else writes to it")
	// ErrDiffers means that a secret that was restored does not read back as it should.
	ErrDiffers = errors.New("it reads back differently")
)

const (
	defaultWorkers = 4
	maxNotes       = 1000 // of a rehearsal
)

// Preflight looks at the mounts, the token's rights and the secrets that are there. It reads the
// index of the dump and no secret of it. In a rehearsal only what makes a load impossible is a problem; the
// rest is among the notes of Load.
func (t *Target) Preflight(ctx context.Context, d restore.Dump) error {
	r, err := t.open(ctx, d)
	if err != nil {
		return err
	}
	defer r.close(ctx)
	hard, soft, err := r.examine(ctx)
	if err != nil {
		return err
	}
	if !t.Rehearse {
		hard = append(hard, soft...)
	}
	return hard.ErrOrNil()
}

// Survey tells what goes where, and what will not be as it was.
func (t *Target) Survey(ctx context.Context, d restore.Dump) ([]string, error) {
	r, err := t.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.close(ctx)
	return r.survey(), nil
}

// Difference compares the chosen secrets with those at the server: what is missing there is "added",
// what is not the same "changed". It tells names and versions, and writes nothing.
func (t *Target) Difference(ctx context.Context, d restore.Dump) ([]restore.Change, error) {
	r, err := t.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.close(ctx)
	return r.difference(ctx)
}

// Load writes the chosen secrets and reads each of them back. After an error everything is taken back
// that was written; see the package's promises for what that means.
func (t *Target) Load(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	r, err := t.open(ctx, d)
	if err != nil {
		return restore.Loaded{}, err
	}
	defer r.close(ctx)
	loaded, err := r.load(ctx)
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("writing KV secrets to %s: %w", t.Server, err)
	}
	return loaded, nil
}

// A run is one call of a Target's method.
type run struct {
	*Target
	dump    restore.Dump
	session *vaultapi.Session
	only    []kv.Pattern
	used    []bool // which of only chose something
	routes  []*route
	log     *slog.Logger
}

func (t *Target) open(ctx context.Context, d restore.Dump) (*run, error) {
	r := &run{Target: t, dump: d, log: t.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if t.Workers < 0 {
		return nil, fmt.Errorf("%d workers", t.Workers)
	}
	var err error
	if r.only, err = kv.ParsePatterns(t.Only); err != nil {
		return nil, err
	}
	r.used = make([]bool, len(r.only))
	if r.session, err = t.Server.Login(ctx); err != nil {
		return nil, err
	}
	if err := r.plan(ctx); err != nil {
		r.close(ctx)
		return nil, fmt.Errorf("planning the restore of KV secrets to %s: %w", t.Server, err)
	}
	return r, nil
}

func (r *run) close(ctx context.Context) {
	if err := r.session.Close(ctx); err != nil {
		r.log.Warn("the token of this run was not revoked", "err", err)
	}
}

func (r *run) workers() int {
	if r.Workers == 0 {
		return defaultWorkers
	}
	return r.Workers
}
