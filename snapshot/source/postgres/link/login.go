package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// session makes what a session answers independent of how server, database and role are set
// up. Statements rather than options of the startup packet, because poolers refuse most of those.
const session = `
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET extra_float_digits = 3;
SET bytea_output = 'hex';
SET xmlbinary = 'base64';
SET row_security = off;
SET synchronize_seqscans = off;
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET search_path = '';
SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
	WHERE name IN ('idle_session_timeout', 'transaction_timeout')`

// login logs in at the first host that answers and fits, and says which it was.
func (s *Server) login(ctx context.Context) (*pgconn.PgConn, endpoint, error) {
	var errs []error
	for _, preferred := range s.rounds() {
		for _, e := range s.hosts {
			c, err := s.loginAt(ctx, e, preferred)
			if err == nil {
				return c, e, nil
			}
			errs = append(errs, err)
			if ctx.Err() != nil {
				return nil, e, fmt.Errorf("connecting to %s: %w", s, context.Cause(ctx))
			}
		}
	}
	return nil, endpoint{}, fmt.Errorf("connecting to %s: %w", s, oneOf(errs))
}

// rounds are the session attributes to ask for, in turn.
func (s *Server) rounds() []string {
	if s.set["target_session_attrs"] == "prefer-standby" && len(s.hosts) > 1 {
		return []string{"standby", "any"}
	}
	return []string{s.set["target_session_attrs"]}
}

func (s *Server) loginAt(ctx context.Context, e endpoint, attrs string) (*pgconn.PgConn, error) {
	one := &Server{&details{set: s.set.with("target_session_attrs", attrs)}}
	cfg, err := one.config(e)
	if err != nil {
		return nil, err
	}
	c, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, connectError(err, cfg.ConnectTimeout)
	}
	return c, nil
}

// adapt sets what pgconn has no option for.
func (s *Server) adapt(c *pgconn.Config, e endpoint) {
	c.RuntimeParams = map[string]string{"application_name": s.set["application_name"]}
	if o := s.set["options"]; o != "" {
		c.RuntimeParams["options"] = o
	}
	d := dialer(c.ConnectTimeout)
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &wire{Conn: conn}, nil
	}
	if e.addr != "" {
		c.LookupFunc = func(context.Context, string) ([]string, error) { return []string{e.addr}, nil }
	}
	cfg := c
	c.AfterConnect = func(ctx context.Context, c *pgconn.PgConn) error {
		if err := unpooled(ctx, c, cfg); err != nil {
			return err
		}
		_, err := c.Exec(ctx, session).ReadAll()
		return err
	}
	for _, t := range tlsOf(c) {
		s.versions(t)
	}
}

func tlsOf(c *pgconn.Config) []*tls.Config {
	var all []*tls.Config
	if c.TLSConfig != nil {
		all = append(all, c.TLSConfig)
	}
	for _, f := range c.Fallbacks {
		if f.TLSConfig != nil {
			all = append(all, f.TLSConfig)
		}
	}
	return all
}

var tlsVersions = map[string]uint16{
	"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
}

// versions bounds those of TLS. Below 1.2, libpq's default, only what was asked for is spoken.
func (s *Server) versions(t *tls.Config) {
	t.MinVersion = tls.VersionTLS12
	for name, field := range map[string]*uint16{
		"ssl_min_protocol_version": &t.MinVersion,
		"ssl_max_protocol_version": &t.MaxVersion,
	} {
		if v, ok := tlsVersions[s.set[name]]; ok {
			*field = v
		}
	}
}

// dialer notices a peer that is gone within about a minute, whether data is on its way or not.
func dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout: timeout,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 20 * time.Second, Interval: 10 * time.Second, Count: 4,
		},
		Control: userTimeout(60 * time.Second),
	}
}

// connectError says why a login failed. It does not wrap pgconn's error, which carries the password.
func connectError(err error, timeout time.Duration) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return newError(pg)
	}
	if errors.Is(err, ErrPooled) {
		return ErrPooled
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", timeout)
	}
	var c *pgconn.ConnectError
	if errors.As(err, &c) {
		err = c.Unwrap()
	}
	return distinct(err)
}

// distinct says once what went wrong with TLS and without it.
func distinct(err error) error {
	tries, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	said := map[string]bool{}
	var errs []error
	for _, err := range tries.Unwrap() {
		if !said[err.Error()] {
			said[err.Error()] = true
			errs = append(errs, err)
		}
	}
	return oneOf(errs)
}

// oneOf keeps the only error as it is.
func oneOf(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return &allError{errs}
}

// An allError is why each of several hosts could not be used.
type allError struct{ errs []error }

func (e *allError) Error() string {
	var all []string
	for _, err := range e.errs {
		all = append(all, err.Error())
	}
	return strings.Join(all, "; ")
}

func (e *allError) Unwrap() []error { return e.errs }
