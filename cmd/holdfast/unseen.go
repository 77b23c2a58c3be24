package main

import (
	"context"
	"os"

	"golang.org/x/term"
)

// readUnseen reads a line from a terminal that does not show it. No read of a terminal can be called
// off: an interruption leaves it to the end of the process, and the terminal as it was before.
func readUnseen(ctx context.Context, tty *os.File) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type answer struct {
		line []byte
		err  error
	}
	given := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		given <- answer{line, err}
	}()
	select {
	case a := <-given:
		return a.line, a.err
	case <-ctx.Done():
		term.Restore(fd, before) //nolint:errcheck // there is nothing left to try
		return nil, ctx.Err()
	}
}
