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

var (
	errProtocol = errors.New("the server sent what the protocol does not have here")
	errNoCopy   = errors.New("the statement is a COPY of rows to or from the client")
)

// takeOver makes a Conn of a session that pgconn logged in.
func takeOver(ctx context.Context, session *pgconn.PgConn) (*Conn, error) {
	h, err := hijack(ctx, session)
	if err != nil {
		return nil, err
	}
	w, err := wireOf(h.Conn)
	if err == nil {
		err = w.block()
	}
	if err != nil {
		h.Conn.Close() // it was never used
		return nil, fmt.Errorf("taking over the session: %w", err)
	}
	return &Conn{login: session, wire: w, raw: h.Conn, in: newFrames(h.Conn)}, nil
}

// hijack takes a session from pgconn. Where a write took long, pgconn has a goroutine that reads meanwhile
// and may be reading still: what comes next would be its, and whoever waits for that would wait for ever.
func hijack(ctx context.Context, session *pgconn.PgConn) (*pgconn.HijackedConn, error) {
	if session.Frontend().ReadBufferLen() > 0 {
		if err := session.SyncConn(ctx); err != nil {
			return nil, lost(err)
		}
	}
	if err := stopReading(session); err != nil {
		return nil, lost(err)
	}
	return session.Hijack()
}

// stopReading has pgconn's goroutine give up by a deadline. SyncConn alone would wait for it by asking the
// server something, and by that start it again where writes are always slow; with a context that has
// ended it only says whether the goroutine is gone.
func stopReading(session *pgconn.PgConn) error {
	over, end := context.WithCancel(context.Background())
	end()
	c := session.Conn()
	if session.SyncConn(over) == nil {
		return nil
	}
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	for began := time.Now(); session.SyncConn(over) != nil; time.Sleep(time.Millisecond) {
		if time.Since(began) > stopTimeout {
			return errors.New("pgconn does not stop reading")
		}
	}
	return c.SetReadDeadline(time.Time{})
}

// stopTimeout bounds what takes microseconds on a machine that is not stalled.
const stopTimeout = 30 * time.Second

// do runs one exchange with the server, under the context.
func (c *Conn) do(ctx context.Context, exchange func() error) error {
	if c.broken != nil {
		return c.broken
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	cancelled, over := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cancelled)
		c.cancel(over)
	})
	err := exchange()
	close(over)
	if !stop() {
		<-cancelled
		err = context.Cause(ctx)
		c.abandon(err)
	}
	if c.broken != nil {
		_ = c.raw.Close() // nobody uses it any more, and nothing that matters is unsent
	}
	return err
}

// cancel asks the server to end the statement until the exchange is over, then ends whatever read or write is
// under way. It may run beside the exchange. A request that comes before the server has begun with the statement
// is lost on it, and a statement that sends nothing does not notice that the connection is closed.
func (c *Conn) cancel(over <-chan struct{}) {
	ctx, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	defer c.wire.abort()
	for pause := 100 * time.Millisecond; ; pause *= 2 {
		if c.login.CancelRequest(ctx) != nil {
			return // where the request does not get through, the server may notice the closed connection
		}
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// abandon makes the session unusable, because of cause. Its descriptor stays until do is done.
func (c *Conn) abandon(cause error) {
	if c.broken != nil {
		return
	}
	c.broken = fmt.Errorf("%w: %w", ErrLost, cause)
	c.wire.abort()
}

// lose abandons the session after an error of the network and returns that error.
func (c *Conn) lose(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	c.abandon(err)
	return lost(err)
}

// send writes messages at once.
func (c *Conn) send(messages ...pgproto3.FrontendMessage) error {
	c.out = c.out[:0]
	for _, m := range messages {
		var err error
		if c.out, err = m.Encode(c.out); err != nil {
			return fmt.Errorf("writing a message to the server: %w", err)
		}
	}
	if _, err := c.raw.Write(c.out); err != nil {
		return c.lose(err)
	}
	return nil
}

// read takes messages until the server is ready for the next statement. Those that have no meaning
// of their own go to take. It returns the first error, of the server or of take.
func (c *Conn) read(take func(kind byte, body []byte) error) error {
	var first error
	for {
		kind, body, err := c.in.next()
		if err != nil {
			err = c.lose(err)
			if first != nil {
				return first // why the connection ended
			}
			return err
		}
		switch kind {
		case 'Z':
			return first
		case 'E':
			err = errorOf(body)
		case 'N':
			err = c.remark(body)
		case 'S', 'A': // a parameter changed; a notification
		default:
			err = take(kind, body)
		}
		if first == nil {
			first = err
		}
	}
}

func errorOf(body []byte) error {
	var m pgproto3.ErrorResponse
	if err := m.Decode(body); err != nil {
		return errProtocol
	}
	e := newError(pgconn.ErrorResponseToPgError(&m))
	e.last = e.Severity == "FATAL" || e.Severity == "PANIC"
	return e
}

func (c *Conn) remark(body []byte) error {
	var m pgproto3.NoticeResponse
	if err := m.Decode(body); err != nil {
		return errProtocol
	}
	if c.notice == nil {
		return nil
	}
	e := newError(pgconn.ErrorResponseToPgError((*pgproto3.ErrorResponse)(&m)))
	if m.Routine == raised {
		e.Message = "a function raised a notice"
	}
	c.notice(e.Severity, e.Message)
	return nil
}

// withoutCopy takes the messages of statements that are not COPY, and gets out of those that are.
func (c *Conn) withoutCopy(kind byte, _ []byte) error {
	switch kind {
	case 'T', 'D', 'C', 'I', '1', '2', 'n', 's', 't', 'c':
		return nil
	case 'H', 'd':
		return errNoCopy
	case 'G':
		return c.refuseCopy()
	}
	return errProtocol
}

// refuseCopy gets out of a COPY FROM STDIN that was not asked for.
func (c *Conn) refuseCopy(after ...pgproto3.FrontendMessage) error {
	fail := &pgproto3.CopyFail{Message: "no rows are sent here"}
	if err := c.send(append([]pgproto3.FrontendMessage{fail}, after...)...); err != nil {
		return err
	}
	return errNoCopy
}
