package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"holdfast/snapshot"
	"holdfast/snapshot/source/vaultapi"
)

// A Source dumps KV mounts of one server. It implements snapshot.Source.
type Source struct {
	Server *vaultapi.Server
	// Mounts are the mounts to dump, or folders and secrets below them ("secret", "secret/app"), each of which
	// must be there. None means every KV mount that the server has.
	Mounts []string
	// Exclude are patterns (see Pattern) of secrets and folders to leave out, with their mount in front,
	// and of documents: "documents/policies", "documents/**".
	Exclude []string
	Workers int          // how many requests run at once; 0 means 4
	Log     *slog.Logger // nil discards
}

var (
	// ErrEmpty means that there is no secret to dump.
	ErrEmpty = errors.New("nothing to dump")
	// ErrMissing means that something that was asked for by name is not there.
	ErrMissing = errors.New("not there")
	// ErrChanged means that a secret changed each time that it was read.
	ErrChanged = errors.New("changed while it was read")
	// ErrHidden means that the server lists a secret and says that it is not there.
	ErrHidden = errors.New("listed by the server, which does not give it out")
	// ErrTooLong means that a secret with all of its versions is longer than MaxLine.
	ErrTooLong = errors.New("too long")
)

// Dump writes the chosen mounts and the documents. On nil every stream is whole: each secret that
// was there all the time is in it, as it was at one instant.
func (s *Source) Dump(ctx context.Context, d snapshot.Dump) error {
	r, err := s.open(ctx)
	if err != nil {
		return fmt.Errorf("reading KV secrets: %w", err)
	}
	defer r.close(ctx)
	if err := r.dump(ctx, d); err != nil {
		return fmt.Errorf("reading KV secrets of %s: %w", s.Server, err)
	}
	return nil
}

// Preflight logs in and looks for the mounts, as Dump will. It reads no secret, and has no warnings.
func (s *Source) Preflight(ctx context.Context) (warnings []string, err error) {
	r, err := s.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for KV secrets: %w", err)
	}
	defer r.close(ctx)
	if _, _, err := r.chosen(ctx); err != nil {
		return nil, fmt.Errorf("looking for KV secrets of %s: %w", s.Server, err)
	}
	return nil, nil
}

// A run is one dump.
type run struct {
	session *vaultapi.Session
	mounts  []string
	exclude []Pattern
	workers int
	log     *slog.Logger
}

const defaultWorkers = 4

func (s *Source) open(ctx context.Context) (*run, error) {
	r := &run{mounts: s.Mounts, workers: s.Workers, log: s.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.workers == 0 {
		r.workers = defaultWorkers
	}
	if r.workers < 0 {
		return nil, fmt.Errorf("%d workers", s.Workers)
	}
	var err error
	if r.exclude, err = ParsePatterns(s.Exclude); err != nil {
		return nil, err
	}
	r.session, err = s.Server.Login(ctx)
	return r, err
}

// close logs out. A token that could not be revoked ends by itself, and is no reason to
// lose a dump.
func (r *run) close(ctx context.Context) {
	if err := r.session.Close(ctx); err != nil {
		r.log.Warn("the token of this run was not revoked", "err", err)
	}
}

func (r *run) dump(ctx context.Context, d snapshot.Dump) error {
	began := time.Now().UTC()
	mounts, raw, err := r.chosen(ctx)
	if err != nil {
		return err
	}
	var secrets int64
	counts := map[string]int64{} // by mount
	for _, m := range mounts {
		n, err := r.mount(ctx, d, m)
		if err != nil {
			return err
		}
		secrets += n
		counts[m.Path] = n
	}
	if secrets == 0 {
		return fmt.Errorf("%w: no secret in %d KV mounts", ErrEmpty, len(mounts))
	}
	if err := compare(ctx, d, counts); err != nil {
		return err
	}
	if err := r.documents(ctx, d, raw); err != nil {
		return err
	}
	status := r.session.Status()
	d.About(snapshot.About{AsOf: began, Server: snapshot.Server{Product: status.Product, Version: status.Version,
		Facts: map[string]string{"cluster_id": status.ClusterID, "mounts": fmt.Sprint(len(mounts))}}})
	return nil
}
