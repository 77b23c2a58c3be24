package link

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
)

// A Server is where a database is and how to reach it. It is immutable and may be used concurrently.
type Server struct {
	*details // behind a pointer, because nothing that prints a struct by its fields follows it
}

type details struct {
	set      settings
	hosts    []endpoint
	warnings []string
}

// An endpoint is one of the hosts that a connection string names.
type endpoint struct {
	host string // a name, an address, or the folder of a socket; certificates are checked against it
	addr string // the address to connect to instead of looking up host; may be empty
	port string
}

// Parse reads a connection string: a URL or keyword=value pairs, where either may be empty. The
// environment, a service and the password file fill in the rest, as they do for libpq. It opens no
// connection. Errors do not repeat the connection string.
func Parse(dsn string) (*Server, error) {
	s, err := parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("reading the connection string: %w", err)
	}
	return s, nil
}

// String returns user@host:port/database.
func (s *Server) String() string {
	var hosts []string
	for _, h := range s.hosts {
		hosts = append(hosts, h.String())
	}
	return s.set["user"] + "@" + strings.Join(hosts, ",") + "/" + s.set["dbname"]
}

// Format keeps passwords out of %+v and %#v.
func (s Server) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// Database returns the name of the database.
func (s *Server) Database() string { return s.set["dbname"] }

// User returns the role that logs in.
func (s *Server) User() string { return s.set["user"] }

// Warnings says what about the connection should be known to whoever runs it.
func (s *Server) Warnings() []string { return slices.Clone(s.warnings) }

// WithDatabase returns the same server with another database.
func (s *Server) WithDatabase(name string) *Server {
	return &Server{&details{set: s.set.with("dbname", name), hosts: s.hosts, warnings: s.warnings}}
}

// Resolve returns s narrowed to the first of its hosts, and of that host's addresses, that answers
// and has the session attributes asked for. Everything that is done with the result reaches the
// same server.
func (s *Server) Resolve(ctx context.Context) (*Server, error) {
	c, at, err := s.login(ctx)
	if err != nil {
		return nil, err
	}
	at.addr = remoteAddress(c.Conn())
	if err := c.Close(ctx); err != nil {
		return nil, fmt.Errorf("closing the connection to %s: %w", s, lost(err))
	}
	return &Server{&details{set: s.set, hosts: []endpoint{at}, warnings: s.warnings}}, nil
}

// remoteAddress is empty for a socket, which is one server's anyway.
func remoteAddress(c net.Conn) string {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().String()
	}
	return ""
}

func (e endpoint) String() string {
	if e.socket() {
		return e.host + ":" + e.port
	}
	return net.JoinHostPort(e.host, e.port)
}

func (e endpoint) socket() bool { return strings.HasPrefix(e.host, "/") }

func (e endpoint) loopback() bool {
	at := e.host
	if e.addr != "" {
		at = e.addr
	}
	ip := net.ParseIP(at)
	return at == "localhost" || ip != nil && ip.IsLoopback()
}
