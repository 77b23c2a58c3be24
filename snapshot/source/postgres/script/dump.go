package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"holdfast/snapshot/source/postgres/link"
)

// Options say what to dump and how.
type Options struct {
	Program  *Program      // nil: Find's choice for the server's version, which then costs one connection
	Snapshot string        // an exported snapshot; "": pg_dump's own
	Exclude  []Relation    // leave these out; pg_dump does not even lock them
	LockWait time.Duration // how long pg_dump waits for a lock on a table; 0: 30 s
	Warn     func(string)  // hears of pg_dump's warnings; may be nil
}

// A Relation is a table, view, sequence or the like by its exact name. Without a Name it stands for
// all of them in the schema.
type Relation struct{ Schema, Name string }

func (r Relation) String() string { return r.Schema + "." + r.Name }

// ErrCut means that pg_dump ended before the last line of its dump.
var ErrCut = errors.New("pg_dump did not finish the dump")

// Dump runs pg_dump and returns the definitions before and after the data. Their entries have numbers
// that run through both, and the needs that pg_dump tells; Resolve completes those.
func Dump(ctx context.Context, s *link.Server, o Options) (pre, post *Script, err error) {
	whole, err := dump(ctx, s, o)
	if err != nil {
		return nil, nil, fmt.Errorf("dumping the definitions of %s: %w", s, err)
	}
	pre, post = divide(whole)
	Number(pre, post)
	return pre, post, nil
}

func dump(ctx context.Context, s *link.Server, o Options) (*Script, error) {
	if o.Program == nil {
		p, err := FindFor(ctx, s, "")
		if err != nil {
			return nil, err
		}
		o.Program = p
	}
	args, err := o.arguments()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, o.Program.Path, args...)
	cmd.Env = append(s.Environ(), "LC_ALL=C")
	// Asked to end, it has the server end its statement; killed, it would leave one that waits for a lock.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	said := &complaints{warn: o.Warn}
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting pg_dump: %w", err)
	}
	var last tail
	whole, parseErr := Parse(io.TeeReader(out, &last))
	if parseErr != nil {
		stopEarly(out, cmd.Process)
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && (parseErr == nil || cmd.ProcessState.Exited()): // by itself: it knows best why
		return nil, said.explain(err)
	case parseErr != nil:
		return nil, fmt.Errorf("%w: %w", ErrCut, parseErr)
	case !last.complete():
		return nil, ErrCut
	}
	return tidy(whole)
}

// stopEarly ends a pg_dump whose output is of no use. One that has ended by itself is left to tell why.
func stopEarly(out io.Reader, p *os.Process) {
	if _, err := io.CopyN(io.Discard, out, 1); err != io.EOF {
		_ = p.Kill() // it fails for one that has ended meanwhile
	}
}

func (o Options) arguments() ([]string, error) {
	wait := o.LockWait
	if wait == 0 {
		wait = 30 * time.Second
	}
	args := []string{"--schema-only", "--verbose", "--no-password", "--encoding=UTF8",
		"--lock-wait-timeout=" + strconv.FormatInt(max(wait.Milliseconds(), 1), 10)}
	if o.Program.Restrict {
		args = append(args, "--restrict-key=holdfast")
	}
	if o.Snapshot != "" {
		args = append(args, "--snapshot="+o.Snapshot)
	}
	patterns, err := excluding(o.Exclude)
	if err != nil {
		return nil, err
	}
	return append(args, patterns...), nil
}

// A tail keeps the last bytes that were written to it.
type tail struct{ bytes []byte }

const tailSize = 512

func (t *tail) Write(p []byte) (int, error) {
	t.bytes = append(t.bytes, p[max(0, len(p)-tailSize):]...)
	t.bytes = t.bytes[max(0, len(t.bytes)-tailSize):]
	return len(p), nil
}

// complete reports whether the dump's last line was among them.
func (t *tail) complete() bool {
	return strings.Contains(string(t.bytes), "\n-- PostgreSQL database dump complete\n--\n")
}
