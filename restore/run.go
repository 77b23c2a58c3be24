package restore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/snapshot"
)

// Run loads d into t, if nothing stands in the way. After an error the target is as it was.
func Run(ctx context.Context, d Dump, t Target) (Loaded, error) {
	if err := t.Preflight(ctx, d); err != nil {
		return Loaded{}, fmt.Errorf("checking the target: %w", err)
	}
	l, err := t.Load(ctx, d)
	if err != nil {
		return Loaded{}, fmt.Errorf("restoring: %w", err)
	}
	if len(l.Streams) == 0 {
		return Loaded{}, errors.New("restoring: the target loaded nothing")
	}
	return l, nil
}

// Discard is the target of a dry run: it reads and checks the whole dump and has nowhere to
// write it.
type Discard struct {
	Checker Checker // of the vault's kind; nil: digests only
}

// Preflight implements Target: nothing can stand in the way of nothing.
func (Discard) Preflight(context.Context, Dump) error { return nil }

// Load implements Target.
func (t Discard) Load(ctx context.Context, d Dump) (Loaded, error) {
	if t.Checker == nil {
		return Digests{}.Check(ctx, d)
	}
	l, err := t.Checker.Check(ctx, d)
	if err != nil {
		return Loaded{}, err
	}
	return l, recounted(d, l)
}

// recounted compares what a checker counted with what was dumped.
func recounted(d Dump, l Loaded) error {
	counts := map[string]LoadedStream{}
	for _, s := range l.Streams {
		counts[s.Name] = s
	}
	for _, want := range d.Streams() {
		got, ok := counts[want.Name]
		if !ok || got.Rows != want.Rows || got.Bytes != want.Bytes {
			return snapshot.Damaged(want.Name, "it has %d rows in %d bytes, and had %d in %d when it was dumped", got.Rows, got.Bytes, want.Rows, want.Bytes)
		}
	}
	return nil
}

// Digests is the Checker of kinds that have no structure of their own: it proves that every
// byte is what was dumped. Its rows are those of the dump.
type Digests struct{}

// Check implements Checker.
func (Digests) Check(ctx context.Context, d Dump) (Loaded, error) {
	var l Loaded
	for _, s := range d.Streams() {
		n, err := drain(ctx, d, s.Name)
		if err != nil {
			return Loaded{}, err
		}
		l.Streams = append(l.Streams, LoadedStream{Name: s.Name, Rows: s.Rows, Bytes: n})
	}
	return l, nil
}

func drain(ctx context.Context, d Dump, stream string) (int64, error) {
	r, err := d.Open(ctx, stream)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(io.Discard, r)
}
