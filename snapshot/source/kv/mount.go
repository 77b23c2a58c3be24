package kv

import (
	"context"
	"fmt"

	"holdfast/snapshot"
)

// mount writes the two streams of one mount and returns how many secrets it has.
func (r *run) mount(ctx context.Context, d snapshot.Dump, s selection) (int64, error) {
	lines, err := d.Stream(ctx, snapshot.Stream{Name: LinesStream(s.Path), Format: "jsonl"})
	if err != nil {
		return 0, err
	}
	index, err := d.Stream(ctx, snapshot.Stream{Name: IndexStream(s.Path), Format: "jsonl"})
	if err != nil {
		return 0, err
	}
	w := &writer{lines: lines, index: index,
		facts: Facts{Mount: s.Path, Version: s.Version, UUID: s.UUID, Description: s.Description, Config: s.Config}}
	walk := &walk{Reader: Reader{r.session, s.Mount}, exclude: r.exclude, within: s.within, workers: r.workers}
	if err := walk.run(ctx, w.write); err != nil {
		return 0, fmt.Errorf("walking %s: %w", s.Path, err)
	}
	w.facts.Excluded, w.facts.Gone = walk.excluded, walk.gone+walk.emptied
	r.log.Debug("a KV mount was read", "source", s.Path, "secrets", w.secrets, "versions", w.facts.Versions, "gone", w.facts.Gone)
	if err := lines.Seal(w.secrets, w.facts); err != nil {
		return 0, err
	}
	return w.secrets, index.Seal(0, nil) // the secrets are counted once
}

// A writer writes the secrets of one mount, in order, and counts them.
type writer struct {
	lines, index snapshot.StreamWriter
	facts        Facts
	last         string
	secrets      int64
}

func (w *writer) write(s *Secret) error {
	if s.Path <= w.last {
		return fmt.Errorf("%s/%q came out of order", w.facts.Mount, s.Path)
	}
	line, err := s.encode()
	if err != nil {
		return fmt.Errorf("keeping %s/%s: %w", w.facts.Mount, s.Path, err)
	}
	place, err := (&indexLine{s.Path, int64(len(line))}).encode()
	if err != nil {
		return err
	}
	if err := w.facts.Add(s); err != nil {
		return fmt.Errorf("keeping %s/%s: %w", w.facts.Mount, s.Path, err)
	}
	if _, err := w.lines.Write(line); err != nil {
		return err
	}
	if _, err := w.index.Write(place); err != nil {
		return err
	}
	w.last = s.Path
	w.secrets++
	return nil
}

// Add counts the versions of a secret.
func (f *Facts) Add(s *Secret) error {
	if f.Version == 1 {
		f.Versions++
		return nil
	}
	st, err := s.State()
	if err != nil {
		return err
	}
	for _, v := range st.Versions {
		f.Versions++
		switch {
		case v.Destroyed:
			f.Destroyed++
		case !v.Live():
			f.Deleted++
		}
	}
	return nil
}
