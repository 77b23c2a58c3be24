package auditlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"holdfast/snapshot"
)

// A Source dumps the log of one file audit device. It implements snapshot.Source.
type Source struct {
	// Path is the device's file, taken with all that rotation made of it (audit.log.1,
	// audit.log-20261122.gz, audit-20261122.log.zst), or a pattern for the last name in it.
	Path string
	Log  *slog.Logger // nil: nothing
}

var (
	// ErrEmpty means that there is no file, or none with a line in it.
	ErrEmpty = snapshot.ErrEmpty
	// ErrNotAudit means a file in which no line is an audit entry.
	ErrNotAudit = errors.New("it has no audit entry: not the log of a file audit device")
	// ErrChanged means that a file changed otherwise than by growing while it was read. Another
	// run may do better.
	ErrChanged = errors.New("changed while it was read")

	errNotFile = errors.New("not a regular file")
)

// Dump writes the log, oldest file first. On nil every file was read as far as its last whole
// line when Dump began, or carried over from the snapshot before.
func (s *Source) Dump(ctx context.Context, d snapshot.Dump) error {
	if err := s.dump(ctx, d); err != nil {
		return fmt.Errorf("reading %s: %w", s.Path, err)
	}
	return nil
}

// Preflight looks whether there is a log to be dumped, without reading it whole.
func (s *Source) Preflight(ctx context.Context) (warnings []string, err error) {
	c, err := s.collect(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", s.Path, err)
	}
	if c.missing {
		warnings = append(warnings, noLog)
	}
	return warnings, c.close()
}

// Size implements snapshot.Sized: about how many bytes a dump has.
func (s *Source) Size(ctx context.Context) (int64, error) {
	c, err := s.collect(ctx)
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", s.Path, err)
	}
	var n int64
	for _, f := range c.files {
		n += f.expected()
	}
	return n, c.close()
}

func (s *Source) collect(ctx context.Context) (*collection, error) {
	path, err := resolve(s.Path)
	if err != nil {
		return nil, err
	}
	n, err := newNaming(path)
	if err != nil {
		return nil, err
	}
	c, err := collect(ctx, n)
	if err != nil {
		return nil, err
	}
	if len(c.files) == 0 {
		return nil, errors.Join(fmt.Errorf("%w: no file with a line in it", ErrEmpty), c.close())
	}
	return c, nil
}

// resolve follows a symlink: rotation works beside the file and not beside the link.
func resolve(path string) (string, error) {
	to, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil // a pattern, or the log is rotated away
	}
	return to, err
}

func (s *Source) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// expected is how many bytes the stream of f will have: a packed log is about a tenth of itself.
func (f *logFile) expected() int64 {
	if f.packed != "" {
		return 10 * f.info.Size()
	}
	return f.info.Size()
}
