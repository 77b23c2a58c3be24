package kv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/vaultapi"
)

func (r *run) load(ctx context.Context) (restore.Loaded, error) {
	if err := r.prove(ctx); err != nil {
		return restore.Loaded{}, err
	}
	if r.Rehearse {
		return r.rehearse(ctx)
	}
	for _, way := range r.routes {
		if err := way.stands(r.Create); err != nil {
			return restore.Loaded{}, err
		}
	}
	u, err := newUndo(r)
	if err != nil {
		return restore.Loaded{}, err
	}
	loaded, err := r.write(ctx, u)
	if err != nil {
		if back := u.back(ctx); back != nil {
			err = errors.Join(err, back)
		}
		return restore.Loaded{}, err
	}
	return loaded, nil
}

// prove reads all that will be written once, to its end, before anything is.
func (r *run) prove(ctx context.Context) error {
	if len(r.only) == 0 {
		_, err := (&Checker{}).Check(ctx, r.dump)
		return err
	}
	for _, way := range r.routes {
		var kept []*kv.Secret
		keep := len(way.few) > 0 && way.bytes <= maxKept
		err := r.secrets(ctx, way, func(s *kv.Secret, _ kv.Place) error {
			if keep {
				kept = append(kept, s)
			}
			return nil
		})
		if err != nil {
			return err
		}
		way.kept = kept
	}
	return nil
}

func (r *run) write(ctx context.Context, u *undo) (restore.Loaded, error) {
	loaded := restore.Loaded{Place: r.place(), Notes: r.survey()}
	for _, way := range r.routes {
		if way.missing {
			if err := r.create(ctx, way, u); err != nil {
				return loaded, err
			}
		}
		counted, err := r.along(ctx, way, u)
		if err != nil {
			return loaded, err
		}
		loaded.Streams = append(loaded.Streams, counted)
		if n := way.same.Load(); n > 0 {
			loaded.Notes = append(loaded.Notes, fmt.Sprintf("%s: %d secrets are there as they should be and were left alone", way.to.Path, n))
		}
	}
	return loaded, nil
}

// along writes the secrets of one route, a few at a time, and counts those that read back as they should.
func (r *run) along(ctx context.Context, way *route, u *undo) (restore.LoadedStream, error) {
	name := kv.LinesStream(way.from.Mount)
	var rows, bytes atomic.Int64
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(r.workers())
	readErr := r.secrets(inner, way, func(s *kv.Secret, p kv.Place) error {
		if err := inner.Err(); err != nil {
			return err
		}
		g.Go(func() error {
			if err := r.restore(inner, way, s, u); err != nil {
				return fmt.Errorf("restoring %s: %w", way.name(s.Path), err)
			}
			rows.Add(1)
			bytes.Add(p.Length)
			r.Progress.Report(snapshot.Step{Name: name, Total: way.bytes, Bytes: p.Length})
			return nil
		})
		return nil
	})
	if err := g.Wait(); err != nil {
		return restore.LoadedStream{}, err // the cause; readErr is only that it was cancelled
	}
	if readErr != nil {
		return restore.LoadedStream{}, readErr
	}
	if rows.Load() != way.secrets {
		return restore.LoadedStream{}, fmt.Errorf("%s: %d secrets were written of %d", way.to.Path, rows.Load(), way.secrets)
	}
	r.Progress.Report(snapshot.Step{Name: name, Total: way.bytes, Done: true})
	return restore.LoadedStream{Name: name, Rows: rows.Load(), Bytes: bytes.Load()}, nil
}

// restore puts one secret at its place and reads it back.
func (r *run) restore(ctx context.Context, way *route, want *kv.Secret, u *undo) error {
	reader := &kv.Reader{Session: r.session, Mount: way.to}
	before, err := reader.Secret(ctx, want.Path)
	var s *step
	switch {
	case errors.Is(err, vaultapi.ErrNotFound):
		s = u.making(way, want)
	case err != nil:
		return err
	case !r.Replace:
		return restore.ErrOccupied
	default:
		same, err := alike(want, before)
		if err != nil {
			return err
		}
		if same {
			way.same.Add(1)
			return nil
		}
		if s, err = u.replacing(way, before, want); err != nil {
			return err
		}
		if err := r.remove(ctx, way, want.Path); err != nil {
			return err
		}
	}
	if err := r.put(ctx, way, want, func() { u.own(s) }); err != nil {
		return err
	}
	got, err := reader.Secret(ctx, want.Path)
	if err != nil {
		return fmt.Errorf("reading it back: %w", err)
	}
	different, err := differences(want, got, way.engine, time.Now())
	if err != nil {
		return fmt.Errorf("reading it back: %w", err)
	}
	if len(different) > 0 {
		return fmt.Errorf("%w: %s", ErrDiffers, strings.Join(different, "; "))
	}
	u.done(s)
	return nil
}

// alike reports whether what is there already is what a load would make of it, to the time of expiry: then it
// need not be away for a moment, nor its copy be held in memory.
func alike(want, there *kv.Secret) (bool, error) {
	different, err := differences(want, there, kv.Config{}, time.Now())
	return len(different) == 0, err
}

// put writes a secret where none is. own is called once the secret there is certainly ours.
func (r *run) put(ctx context.Context, way *route, s *kv.Secret, own func()) error {
	if s.Metadata == nil {
		_, err := r.session.Put(ctx, way.to.Path+"/"+s.Path, s.Data)
		if err == nil {
			own()
		}
		return err
	}
	st, err := s.State()
	if err != nil {
		return err
	}
	return (&replay{session: r.session, way: way, path: s.Path, state: st, own: own}).run(ctx)
}

// remove takes a secret away with all of its versions.
func (r *run) remove(ctx context.Context, way *route, path string) error {
	if way.to.Version == 1 {
		return r.session.Delete(ctx, way.to.Path+"/"+path)
	}
	return r.session.Delete(ctx, way.to.Path+"/metadata/"+path)
}

// rehearse counts what would be written and tells what that would change.
func (r *run) rehearse(ctx context.Context) (restore.Loaded, error) {
	hard, soft, err := r.examine(ctx)
	if err != nil {
		return restore.Loaded{}, err
	}
	if len(hard) > 0 {
		return restore.Loaded{}, hard
	}
	loaded := restore.Loaded{Place: r.place(), Notes: r.survey()}
	for _, problem := range soft {
		loaded.Notes = append(loaded.Notes, "a restore would be refused: "+problem.Error())
	}
	changes, err := r.difference(ctx)
	if err != nil {
		return restore.Loaded{}, err
	}
	for i, c := range changes {
		if i == maxNotes {
			loaded.Notes = append(loaded.Notes, fmt.Sprintf("and %d more", len(changes)-i))
			break
		}
		loaded.Notes = append(loaded.Notes, fmt.Sprintf("%s: %s, %s", c.Change, c.Name, c.Detail))
	}
	for _, way := range r.routes {
		loaded.Streams = append(loaded.Streams, restore.LoadedStream{Name: kv.LinesStream(way.from.Mount), Rows: way.secrets, Bytes: way.bytes})
	}
	return loaded, nil
}

func (r *run) place() string {
	names := make([]string, len(r.routes))
	for i, way := range r.routes {
		names[i] = way.to.Path
	}
	slices.Sort(names)
	return fmt.Sprintf("%s: %s", r.session.Address(), some(names, 10))
}
