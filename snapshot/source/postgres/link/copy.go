package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// CopyOut runs a COPY ... TO STDOUT, without HEADER, and writes the rows to w as the server sends
// them. It returns how many there were. Unless the error is nil, what went to w is not whole. An
// error of w cancels the COPY and ends the session, and is returned as it is.
func (c *Conn) CopyOut(ctx context.Context, w io.Writer, sql string) (int64, error) {
	out := copyOut{w: w}
	err := c.do(ctx, func() error {
		if err := c.send(&pgproto3.Query{String: sql}); err != nil {
			return err
		}
		if err := c.read(func(kind byte, body []byte) error { return c.takeOut(&out, kind, body) }); err != nil {
			return err
		}
		return out.whole()
	})
	if err != nil {
		return 0, err
	}
	return out.rows, nil
}

// A copyOut is how far a COPY TO STDOUT has come.
type copyOut struct {
	w        io.Writer
	began    bool
	ended    bool
	complete bool
	binary   bool
	rows     int64 // seen
	said     int64 // by the server
}

func (c *Conn) takeOut(o *copyOut, kind byte, body []byte) error {
	switch kind {
	case 'H':
		if o.began {
			return errors.New("there is more than one COPY")
		}
		o.began = true
		o.binary = len(body) > 0 && body[0] == 1
		return c.copyRows(o)
	case 'c':
		o.ended = o.began
		return nil
	case 'C':
		if n, ok := copied(body); ok && o.ended {
			o.said, o.complete = n, true
		}
		return nil
	case 'd':
		return errProtocol
	}
	return c.withoutCopy(kind, body)
}

// copyRows does the work. An error of the writer ends the session: there may be any amount of rows to come.
func (c *Conn) copyRows(o *copyOut) error {
	var err error
	o.rows, err = c.in.rows(o.w)
	var failed *writeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed):
		over := make(chan struct{})
		close(over)
		c.cancel(over)
		c.abandon(failed.err)
		return failed.err
	}
	return c.lose(err)
}

// whole reports what is missing from a COPY after which the server is ready.
func (o *copyOut) whole() error {
	switch {
	case !o.began:
		return errors.New("the statement is not a COPY TO STDOUT")
	case !o.ended || !o.complete:
		return fmt.Errorf("%w: the server did not say that it is complete", ErrCopy)
	case !o.binary && o.rows != o.said:
		return fmt.Errorf("%w: %d rows came and the server sent %d", ErrCopy, o.rows, o.said)
	}
	o.rows = o.said
	return nil
}

// copied reads the tag "COPY 42".
func copied(body []byte) (int64, bool) {
	number, ok := strings.CutPrefix(strings.TrimSuffix(string(body), "\x00"), "COPY ")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return n, err == nil
}
