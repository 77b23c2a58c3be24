package link_test

import (
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"holdfast/fixtures"
	"holdfast/snapshot/source/postgres/link"
)

// Who sets a session up behind a pool of transactions changes what the application meets there later.
func TestAPoolOfTransactionsIsRefusedAndLeftAsItWas(t *testing.T) {
	s := postgres.Get(t)
	p := startPool(t, s, false)
	server := parse(t, "host=127.0.0.1 sslmode=disable user="+s.User+" dbname=postgres port="+p.port())
	for range 20 { // whichever session the pool happens to hand out
		if _, err := server.Connect(t.Context()); !errors.Is(err, link.ErrPooled) {
			t.Fatalf("behind a pool of transactions: %v", err)
		}
	}
	p.leave()
	for _, c := range p.idle {
		r, err := c.Exec(t.Context(), "SHOW search_path").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if path := string(r[0].Rows[0][0]); path != `"$user", public` {
			t.Errorf("the application finds the search path %s", path)
		}
	}
}

func TestAPoolOfSessionsWillDo(t *testing.T) {
	s := postgres.Get(t)
	p := startPool(t, s, true)
	c := open(t, "host=127.0.0.1 sslmode=disable user="+s.User+" dbname=postgres port="+p.port())
	run(t, c, "SELECT 1")
}

// A pool does as pgbouncer does: a client gets the session used last, for a transaction or until it leaves.
type pool struct {
	listener net.Listener
	whole    bool // sessions, not transactions
	group    sync.WaitGroup

	mu      sync.Mutex
	idle    []*pgconn.PgConn
	clients []net.Conn
}

func startPool(t *testing.T, s *fixtures.PostgresServer, whole bool) *pool {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pool{listener: l, whole: whole}
	for range 12 {
		c, err := pgconn.Connect(t.Context(), s.SocketURL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		p.idle = append(p.idle, c)
	}
	p.group.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

func (p *pool) port() string {
	_, port, _ := net.SplitHostPort(p.listener.Addr().String()) // it is one
	return port
}

func (p *pool) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.clients = append(p.clients, c)
		p.mu.Unlock()
		p.group.Go(func() { defer c.Close(); p.serve(c) })
	}
}

// leave sends all clients away.
func (p *pool) leave() {
	p.listener.Close()
	p.mu.Lock()
	for _, c := range p.clients {
		c.Close()
	}
	p.mu.Unlock()
	p.group.Wait()
}

func (p *pool) stop() {
	p.leave()
	for _, c := range p.idle {
		c.Conn().Close()
	}
}

// serve knows simple queries alone, which is all that setting up a session takes.
func (p *pool) serve(client net.Conn) {
	b := pgproto3.NewBackend(client, client)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.BackendKeyData{ProcessID: 4_000_000_000, SecretKey: []byte{1, 2, 3, 4}})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	var server *pgconn.PgConn
	defer func() { p.end(server) }()
	for b.Flush() == nil {
		m, err := b.Receive()
		if err != nil {
			return
		}
		q, ok := m.(*pgproto3.Query)
		if !ok {
			return
		}
		if server == nil {
			server = p.take()
		}
		if pass(b, server.Frontend(), q) == 'I' && !p.whole {
			p.give(server)
			server = nil
		}
	}
}

// pass hands a query on and its answer back, but for the end of it, which is still to be flushed: by
// then the pool may have the session back. It returns the state of the transaction.
func pass(b *pgproto3.Backend, f *pgproto3.Frontend, q *pgproto3.Query) byte {
	f.Send(q)
	if f.Flush() != nil {
		return 0
	}
	for {
		m, err := f.Receive()
		if err != nil {
			return 0
		}
		b.Send(m)
		if r, ok := m.(*pgproto3.ReadyForQuery); ok {
			return r.TxStatus
		}
		if b.Flush() != nil {
			return 0
		}
	}
}

func (p *pool) take() *pgconn.PgConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	c := p.idle[last]
	p.idle = p.idle[:last]
	return c
}

// end ends what a client that leaves has open, as the server does.
func (p *pool) end(c *pgconn.PgConn) {
	if c == nil {
		return
	}
	f := c.Frontend()
	f.Send(&pgproto3.Query{String: "ROLLBACK"})
	if f.Flush() != nil {
		return
	}
	for {
		m, err := f.Receive()
		if err != nil {
			return
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			p.give(c)
			return
		}
	}
}

func (p *pool) give(c *pgconn.PgConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
}
