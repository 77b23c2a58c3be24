package link

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/lib/pq"
)

// DB returns a pool of sessions behind lib/pq. It connects on first use; the caller closes it.
func (s *Server) DB() (*sql.DB, error) {
	return sql.OpenDB(connector{s}), nil
}

// A connector logs in as Connect does and has lib/pq take over the session, because lib/pq by
// itself has neither channel binding nor required methods of authentication, and other defaults.
type connector struct{ s *Server }

func (c connector) Driver() driver.Driver { return &pq.Driver{} }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	session, _, err := c.s.login(ctx)
	if err != nil {
		return nil, err
	}
	return c.handOver(ctx, session)
}

func (c connector) handOver(ctx context.Context, session *pgconn.PgConn) (driver.Conn, error) {
	hijacked, err := hijack(ctx, session)
	if err != nil {
		return nil, fmt.Errorf("taking over the session: %w", err)
	}
	greeting, err := greet(hijacked)
	if err != nil {
		hijacked.Conn.Close() // nothing was sent on it
		return nil, err
	}
	p, err := pq.NewConnectorConfig(pq.Config{SSLMode: pq.SSLModeDisable, User: c.s.User(), Password: "unused"})
	if err != nil {
		hijacked.Conn.Close()
		return nil, fmt.Errorf("setting up lib/pq: %w", err)
	}
	p.Dialer(&handover{session: session, first: &loggedIn{Conn: hijacked.Conn, greeting: greeting}})
	conn, err := p.Connect(ctx)
	if err != nil {
		hijacked.Conn.Close()
		return nil, fmt.Errorf("handing the session to lib/pq: %w", err)
	}
	return conn, nil
}

// greet writes what a server says after a login that needs no password.
func greet(h *pgconn.HijackedConn) ([]byte, error) {
	messages := []pgproto3.BackendMessage{&pgproto3.AuthenticationOk{}}
	for name, value := range h.ParameterStatuses {
		messages = append(messages, &pgproto3.ParameterStatus{Name: name, Value: value})
	}
	messages = append(messages,
		&pgproto3.BackendKeyData{ProcessID: h.PID, SecretKey: h.SecretKey},
		&pgproto3.ReadyForQuery{TxStatus: h.TxStatus})
	var b []byte
	for _, m := range messages {
		var err error
		if b, err = m.Encode(b); err != nil {
			return nil, fmt.Errorf("writing the greeting for lib/pq: %w", err)
		}
	}
	return b, nil
}

// A handover is lib/pq's dialer for one session: the first connection it opens is the session,
// all others are for requests to cancel a statement of it.
type handover struct {
	session *pgconn.PgConn
	first   net.Conn
}

func (h *handover) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

func (h *handover) DialTimeout(network, address string, _ time.Duration) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

func (h *handover) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	if c := h.first; c != nil {
		h.first = nil
		return c, nil
	}
	return &canceller{Conn: h.session.Conn(), ctx: ctx, session: h.session}, nil
}

// A loggedIn connection takes lib/pq's startup packet for itself and answers it from greeting.
type loggedIn struct {
	net.Conn
	greeting []byte
	greeted  bool
}

func (c *loggedIn) Write(p []byte) (int, error) {
	if c.greeted {
		return c.Conn.Write(p)
	}
	if len(p) < 8 || int(binary.BigEndian.Uint32(p)) != len(p) {
		return 0, errors.New("lib/pq does not begin with a startup packet")
	}
	c.greeted = true
	return len(p), nil
}

func (c *loggedIn) Read(p []byte) (int, error) {
	if len(c.greeting) > 0 {
		n := copy(p, c.greeting)
		c.greeting = c.greeting[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// A canceller turns lib/pq's request to cancel into pgconn's, which encrypts it as the session is.
// Of Conn, only the addresses are used.
type canceller struct {
	net.Conn
	ctx     context.Context
	session *pgconn.PgConn
}

func (c *canceller) Write(p []byte) (int, error) {
	if err := c.session.CancelRequest(c.ctx); err != nil {
		return 0, fmt.Errorf("cancelling a statement: %w", err)
	}
	return len(p), nil
}

func (c *canceller) Read([]byte) (int, error)         { return 0, io.EOF }
func (c *canceller) Close() error                     { return nil }
func (c *canceller) SetDeadline(time.Time) error      { return nil }
func (c *canceller) SetReadDeadline(time.Time) error  { return nil }
func (c *canceller) SetWriteDeadline(time.Time) error { return nil }
