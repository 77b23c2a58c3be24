package link

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// A wire is the connection below TLS. It begins as Go's own, whose deadlines the login needs;
// block turns it into a descriptor in blocking mode, without which every piece of eight kilobytes
// that a server sends costs the waking of a goroutine.
type wire struct {
	net.Conn

	mu      sync.Mutex
	fd      int // in blocking mode, from block on; 0 before
	closed  bool
	ahead   []byte // for TLS, which asks for one record at a time
	pending []byte // the part of ahead that is received and not read
}

// wireOf finds the wire below TLS, if there is TLS.
func wireOf(c net.Conn) (*wire, error) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	w, ok := c.(*wire)
	if !ok {
		return nil, errors.New("the connection is not one of this package")
	}
	return w, nil
}

// Blocking descriptors have no deadlines: abort ends what they wait for. TLS sets one when it closes.

func (w *wire) SetDeadline(t time.Time) error {
	if w.fd != 0 {
		return nil
	}
	return w.Conn.SetDeadline(t)
}

func (w *wire) SetReadDeadline(t time.Time) error {
	if w.fd != 0 {
		return nil
	}
	return w.Conn.SetReadDeadline(t)
}

func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.fd != 0 {
		return nil
	}
	return w.Conn.SetWriteDeadline(t)
}
