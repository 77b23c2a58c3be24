package kv

import (
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/snapshot/source/kv"
)

const (
	maxAhead = 512       // places held while their range is read
	maxGap   = 128 << 10 // bytes between two secrets that are read rather than skipped by a new range
)

// secrets hands out every chosen secret of a mount, in order. It reads the index and the ranges that hold
// the secrets, never the rest; secrets that lie close together share a range. The second time a small part comes from memory.
func (r *run) secrets(ctx context.Context, way *route, each func(*kv.Secret, kv.Place) error) error {
	if way.kept != nil {
		for i, s := range way.kept {
			if err := each(s, way.few[i]); err != nil {
				return err
			}
		}
		return nil
	}
	b := &batch{run: r, from: way.from, each: each}
	err := r.places(ctx, way, func(p kv.Place) error {
		if !b.fits(p) {
			if err := b.read(ctx); err != nil {
				return err
			}
		}
		b.places = append(b.places, p)
		return nil
	})
	if err != nil {
		return err
	}
	return b.read(ctx)
}

// A batch is secrets that are read in one range.
type batch struct {
	*run
	from   kv.Facts
	each   func(*kv.Secret, kv.Place) error
	places []kv.Place
	line   []byte
}

func (b *batch) fits(p kv.Place) bool {
	if len(b.places) == 0 {
		return true
	}
	return len(b.places) < maxAhead && p.Offset <= end(b.places)+maxGap
}

func end(places []kv.Place) int64 {
	last := places[len(places)-1]
	return last.Offset + last.Length
}

func (b *batch) read(ctx context.Context) (err error) {
	if len(b.places) == 0 {
		return nil
	}
	start := b.places[0].Offset
	f, err := b.dump.OpenRange(ctx, kv.LinesStream(b.from.Mount), start, end(b.places)-start)
	if err != nil {
		return fmt.Errorf("opening a range of %s: %w", kv.LinesStream(b.from.Mount), err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	at := start
	for _, p := range b.places {
		if _, err := io.CopyN(io.Discard, f, p.Offset-at); err != nil {
			return fmt.Errorf("reading a range of %s: %w", kv.LinesStream(b.from.Mount), err)
		}
		if b.line, err = kv.ReadLine(f, p, b.line); err != nil {
			return fmt.Errorf("reading a range of %s: %w", kv.LinesStream(b.from.Mount), err)
		}
		s, err := kv.ParsePlace(b.from, p, b.line)
		if err != nil {
			return err
		}
		if err := b.each(s, p); err != nil {
			return err
		}
		at = p.Offset + p.Length
	}
	b.places = b.places[:0]
	return nil
}
