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

// dumping is the Dump that a run hands to its source: every stream goes to the pack writer.
type dumping struct {
	w        *pack.Writer
	progress Progress

	mu       sync.Mutex
	streams  []*dumpStream
	about    About
	warnings []string
}

func newDumping(w *pack.Writer, p Progress) *dumping { return &dumping{w: w, progress: p} }

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
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.streams {
		if o.info.Name == s.Name {
			return nil, fmt.Errorf("opening stream %q: %w", s.Name, fs.ErrExist)
		}
	}
	if !fs.ValidPath(s.Name) || s.Name == "." {
		return nil, fmt.Errorf("opening stream %q: its name is not a path", s.Name)
	}
	st := &dumpStream{dump: d, ctx: ctx, to: d.w.Stream(), total: s.Size, info: StreamInfo{Name: s.Name, Format: s.Format}}
	d.streams = append(d.streams, st)
	d.progress.Report(Step{Name: s.Name, Total: s.Size})
	return st, nil
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
	sealed, err := s.to.Close()
	if err != nil {
		return fmt.Errorf("sealing stream %q: %w", s.info.Name, err)
	}
	s.info.Rows, s.info.Bytes, s.info.SHA256 = rows, sealed.Bytes, sealed.SHA256
	s.chunks, s.sealed = sealed.Chunks, true
	s.dump.progress.Report(Step{Name: s.info.Name, Total: s.total, Done: true})
	return nil
}
