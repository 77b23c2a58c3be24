package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"holdfast/snapshot/pack"
)

// dumping is the Dump that a run hands to its source: every stream goes to the pack writer. It
// is a Carrier too (carry.go).
type dumping struct {
	w        *pack.Writer
	previous previous
	progress Progress

	asking  sync.Mutex // held while the snapshot before is read
	offered *offer     // nil until it was

	mu       sync.Mutex
	names    map[string]bool // of streams
	streams  []*dumpStream
	about    About
	warnings []string
}

func newDumping(w *pack.Writer, before previous, p Progress) *dumping {
	return &dumping{w: w, previous: before, progress: p, names: map[string]bool{}}
}

const (
	maxFacts    = 1 << 20
	maxWarnings = 32
	maxWarning  = 300
	maxTags     = 4 << 10
)

// run lets src dump, and makes sure that what it dumped is whole.
func (d *dumping) run(ctx context.Context, src Source, vault string) error {
	if err := src.Dump(ctx, d); err != nil {
		return fmt.Errorf("dumping %s: %w", vault, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("dumping %s: %w", vault, context.Cause(ctx))
	}
	var bytes int64
	for _, s := range d.streams {
		if !s.sealed {
			return fmt.Errorf("dumping %s: stream %q was never finished", vault, s.info.Name)
		}
		if err := s.finish(); err != nil {
			return fmt.Errorf("dumping %s: %w", vault, err)
		}
		bytes += s.info.Bytes
	}
	if bytes == 0 {
		return fmt.Errorf("dumping %s: %w", vault, ErrEmpty)
	}
	return nil
}

// Stream implements Dump.
func (d *dumping) Stream(ctx context.Context, s Stream) (StreamWriter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !fs.ValidPath(s.Name) || s.Name == "." {
		return nil, fmt.Errorf("opening stream %q: its name is not a path", s.Name)
	}
	st := &dumpStream{dump: d, ctx: ctx, total: s.Size, info: StreamInfo{Name: s.Name, Format: s.Format}}
	if err := d.add(st); err != nil {
		return nil, fmt.Errorf("opening stream %q: %w", s.Name, err)
	}
	st.to = d.w.Stream()
	d.progress.Report(Step{Name: s.Name, Total: s.Size})
	return st, nil
}

// add gives a stream its name. Nothing takes it back: a dump with a stream that is not sealed fails.
func (d *dumping) add(st *dumpStream) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[st.info.Name] {
		return fs.ErrExist
	}
	d.names[st.info.Name] = true
	d.streams = append(d.streams, st)
	return nil
}

// About implements Dump.
func (d *dumping) About(a About) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.about = a
}

// Warn implements Dump. Warnings are kept short: a manifest has 64 KiB.
func (d *dumping) Warn(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(text) > maxWarning {
		text = text[:maxWarning] + "..."
	}
	if len(d.warnings) < maxWarnings {
		d.warnings = append(d.warnings, text)
	}
}

// A dumpStream is one stream on its way into packs.
type dumpStream struct {
	dump   *dumping
	ctx    context.Context
	to     *pack.Stream
	total  int64
	info   StreamInfo
	chunks chunkList
	sealed bool
}

func (s *dumpStream) Write(p []byte) (int, error) {
	if s.sealed {
		return 0, errors.New("writing to a stream that was sealed")
	}
	if err := s.ctx.Err(); err != nil {
		return 0, context.Cause(s.ctx)
	}
	n, err := s.to.Write(p)
	s.dump.progress.Report(Step{Name: s.info.Name, Total: s.total, Bytes: int64(n)})
	return n, err
}

// Seal implements StreamWriter.
func (s *dumpStream) Seal(rows int64, facts any) error {
	if s.sealed {
		return errors.New("sealing a stream twice")
	}
	if facts != nil {
		b, err := json.Marshal(facts)
		if err != nil {
			return fmt.Errorf("sealing stream %q: %w", s.info.Name, err)
		}
		if len(b) > maxFacts {
			return fmt.Errorf("sealing stream %q: %d bytes of facts, the limit is %d", s.info.Name, len(b), maxFacts)
		}
		s.info.Facts = b
	}
	if err := s.to.End(); err != nil {
		return fmt.Errorf("sealing stream %q: %w", s.info.Name, err)
	}
	s.info.Rows, s.sealed = rows, true
	s.dump.progress.Report(Step{Name: s.info.Name, Total: s.total, Done: true})
	return nil
}

// finish waits for the last chunks of a stream that was sealed. A source that writes many short
// streams loses no time so.
func (s *dumpStream) finish() error {
	if s.to == nil {
		return nil // it was carried over
	}
	whole, err := s.to.Close()
	if err != nil {
		return fmt.Errorf("finishing stream %q: %w", s.info.Name, err)
	}
	s.info.Bytes, s.info.SHA256, s.chunks = whole.Bytes, whole.SHA256, whole.Chunks
	return nil
}
