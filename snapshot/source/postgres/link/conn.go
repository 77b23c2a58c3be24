package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// A Conn is one session. It is not safe for concurrent use.
//
// A context that ends before a method returns cancels the statement at the server and ends the
// session: the method returns the context's cause, and every later one an error matching ErrLost.
// An error of the server leaves the session usable, unless it matches ErrLost.
type Conn struct {
	login  *pgconn.PgConn // used for nothing but requests to cancel
	wire   *wire
	raw    io.ReadWriteCloser // wire, or TLS over it
	in     *frames
	out    []byte // scratch for what is sent
	notice func(severity, message string)
	broken error
}

// Connect opens a session.
func (s *Server) Connect(ctx context.Context) (*Conn, error) {
	session, _, err := s.login(ctx)
	if err != nil {
		return nil, err
	}
	c, err := takeOver(ctx, session)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", s, err)
	}
	return c, nil
}

// Exec runs one statement or several, and drops their rows.
func (c *Conn) Exec(ctx context.Context, sql string) error {
	return c.do(ctx, func() error {
		if err := c.send(&pgproto3.Query{String: sql}); err != nil {
			return err
		}
		return c.read(c.withoutCopy)
	})
}

// Query runs one statement and returns its rows as text, nil for NULL. It is for small answers:
// all rows are held at once. Arguments stand for $1, $2 and so on, and have the type that the
// statement gives them.
func (c *Conn) Query(ctx context.Context, sql string, args ...string) ([][]*string, error) {
	var rows [][]*string
	err := c.do(ctx, func() error {
		if err := c.send(
			&pgproto3.Parse{Query: sql},
			&pgproto3.Bind{Parameters: parameters(args)},
			&pgproto3.Execute{},
			&pgproto3.Sync{},
		); err != nil {
			return err
		}
		return c.read(func(kind byte, body []byte) error {
			switch kind {
			case 'D':
				row, err := rowOf(body)
				rows = append(rows, row)
				return err
			case 'G':
				return c.refuseCopy(&pgproto3.Sync{}) // the server passed over the first one
			}
			return c.withoutCopy(kind, body)
		})
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// OnNotice has f called with what the server remarks on later statements, without what a
// function of a user remarks, which may hold rows. While CopyIn runs, f is called by another goroutine.
func (c *Conn) OnNotice(f func(severity, message string)) { c.notice = f }

// PID returns the number of the server's process, as pg_stat_activity and pg_locks have it.
func (c *Conn) PID() uint32 { return c.login.PID() }

// Close ends the session and waits until the server has ended it too, or ctx is done.
func (c *Conn) Close(ctx context.Context) error {
	if c.broken != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	err := c.do(ctx, func() error {
		defer c.abandon(errors.New("the session was closed"))
		if err := c.send(&pgproto3.Terminate{}); err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, c.raw) // any end will do
		return nil
	})
	if err != nil {
		return fmt.Errorf("closing the session: %w", err)
	}
	return nil
}

const closeTimeout = 10 * time.Second

func parameters(args []string) [][]byte {
	all := make([][]byte, len(args))
	for i, a := range args {
		all[i] = []byte(a)
	}
	return all
}

func rowOf(body []byte) ([]*string, error) {
	var m pgproto3.DataRow
	if err := m.Decode(body); err != nil {
		return nil, errProtocol
	}
	row := make([]*string, len(m.Values))
	for i, v := range m.Values {
		if v != nil {
			text := string(v)
			row[i] = &text
		}
	}
	return row, nil
}
