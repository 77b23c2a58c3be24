package link

import (
	"context"
	"database/sql/driver"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// SlowlyConnect logs in over a connection whose every write takes long, as it does where the machine has
// no time for us, and hands one session to Conn and one to lib/pq.
func SlowlyConnect(ctx context.Context, s *Server) (*Conn, driver.Conn, error) {
	ours, err := s.slowly(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := takeOver(ctx, ours)
	if err != nil {
		return nil, nil, err
	}
	theirs, err := s.slowly(ctx)
	if err != nil {
		return nil, nil, err
	}
	d, err := connector{s}.handOver(ctx, theirs)
	return c, d, err
}

func (s *Server) slowly(ctx context.Context) (*pgconn.PgConn, error) {
	cfg, err := s.config(s.hosts[0])
	if err != nil {
		return nil, err
	}
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		w := c.(*wire)
		w.Conn = slow{w.Conn.(*net.TCPConn)}
		return w, nil
	}
	return pgconn.ConnectConfig(ctx, cfg)
}

type slow struct{ *net.TCPConn }

func (s slow) Write(p []byte) (int, error) {
	n, err := s.TCPConn.Write(p)
	time.Sleep(100 * time.Millisecond) // pgconn begins to read beside it after 15
	return n, err
}
