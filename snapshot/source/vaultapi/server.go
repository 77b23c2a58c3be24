package vaultapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// A Server is a Vault or OpenBao server, or a cluster of them, and how to log in there. It must not be
// copied once it is in use.
type Server struct {
	Addresses []string // of one node or more, or of a load balancer: "https://vault-1:8200"
	Namespace string   // "" for the root namespace
	TLS       TLS
	Auth      Auth

	Timeout    time.Duration // of one request; 0: 1 m
	LeaderWait time.Duration // how long to wait while a leader is being elected; 0: 30 s
	Stall      time.Duration // how long a download or upload may stand still; 0: 5 m
	Rate       float64       // requests a second; 0: no limit
	Log        *slog.Logger  // nil discards

	unwrapped unwrapped
}

// TLS says whom to trust and who we are. The zero value trusts what the system trusts.
type TLS struct {
	CAFile     string // PEM; these authorities and no others
	CertFile   string // PEM; a client certificate, with KeyFile
	KeyFile    string
	ServerName string // the name that certificates must carry, if it is not that of the address
}

const (
	defaultTimeout    = time.Minute
	defaultLeaderWait = 30 * time.Second
	defaultStall      = 5 * time.Minute
)

// String names the server for people.
func (s *Server) String() string {
	names := make([]string, len(s.Addresses))
	for i, a := range s.Addresses {
		names[i] = redact(a)
	}
	text := strings.Join(names, ", ")
	if s.Namespace != "" {
		text += " (namespace " + s.Namespace + ")"
	}
	return text
}

// Login finds the active node, logs in there and returns a session, which the caller closes. A token
// that was configured is renewed if it can be.
func (s *Server) Login(ctx context.Context) (*Session, error) {
	link, err := s.link()
	if err != nil {
		return nil, fmt.Errorf("logging in to %s: %w", s, err)
	}
	sess := &Session{server: s, link: link, limiter: s.limiter()}
	if err := sess.begin(ctx); err != nil {
		link.close()
		return nil, fmt.Errorf("logging in to %s: %w", s, err)
	}
	return sess, nil
}

// As returns the same server at one of its addresses, with another way to log in.
func (s *Server) As(address string, auth Auth) *Server {
	return &Server{
		Addresses: []string{address}, Namespace: s.Namespace, TLS: s.TLS, Auth: auth,
		Timeout: s.Timeout, LeaderWait: s.LeaderWait, Stall: s.Stall, Rate: s.Rate, Log: s.Log,
	}
}

// Anonymous returns a session with the node at address, active or not, that has no token: for
// initialising and unsealing. What is wrong with address or TLS shows at the first request.
func (s *Server) Anonymous(address string) *Session {
	sess := &Session{server: s, limiter: s.limiter(), fixed: true}
	sess.link, sess.broken = s.link()
	if sess.broken == nil {
		sess.broken = sess.to(address, "")
	}
	return sess
}

// Status asks the node at address how it is, without a token. It does not try again.
func (s *Server) Status(ctx context.Context, address string) (Status, error) {
	link, err := s.link()
	if err != nil {
		return Status{}, fmt.Errorf("asking %s for its status: %w", redact(address), err)
	}
	defer link.close()
	return link.status(ctx, address)
}

func (s *Server) limiter() *rate.Limiter {
	if s.Rate <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(s.Rate), 1)
}

func (s *Server) timeout() time.Duration    { return or(s.Timeout, defaultTimeout) }
func (s *Server) leaderWait() time.Duration { return or(s.LeaderWait, defaultLeaderWait) }
func (s *Server) stall() time.Duration      { return or(s.Stall, defaultStall) }

func or(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// parseAddress checks that address is one to send a token to.
func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("an address is not a URL") // err quotes it, with a password maybe
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("the address %q is neither http://HOST:PORT nor https://HOST:PORT", redact(address))
	case u.User != nil:
		return nil, fmt.Errorf("the address %s holds a user or password", redact(address))
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the address %s has a query or fragment", redact(address))
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

// redact returns an address without what may be secret in it.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that is not a URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, Opaque: u.Opaque}).String()
}
