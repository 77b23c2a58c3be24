package vaultapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/openbao/openbao/api/v2"
)

const (
	dialTimeout    = 5 * time.Second
	maxAnswer      = 64 << 20 // more than the largest request that a server takes
	maxConnections = 64
)

// A link is the connections of one session.
type link struct {
	transport *http.Transport
	namespace string
	timeout   time.Duration
}

// link reads certificates and keys, so that a renewed one is used by the next session.
func (s *Server) link() (*link, error) {
	conf, err := s.TLS.config()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	return &link{
		namespace: s.Namespace, timeout: s.timeout(),
		transport: &http.Transport{
			DialContext:         dialer.DialContext,
			TLSClientConfig:     conf,
			TLSHandshakeTimeout: 2 * dialTimeout,
			IdleConnTimeout:     time.Minute,
			MaxIdleConnsPerHost: maxConnections,
			DisableCompression:  true, // an archive arrives as it was made
			// HTTP/1.1 alone: with HTTP/2 a refused client certificate is lost in
			// "client conn could not be established", and one stalled download holds up all requests.
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
	}, nil
}

func (l *link) close() { l.transport.CloseIdleConnections() }

// client returns an API client for one node. Redirects and retries are ours: see Session.retry.
func (l *link) client(node *url.URL, token, namespace string) (*api.Client, error) {
	conf := &api.Config{
		Address:            node.String(),
		HttpClient:         &http.Client{Transport: bounded{l.transport}, CheckRedirect: stay},
		CheckRetry:         once,
		DisableEnvironment: true,
		DisableRedirects:   true,
	}
	c, err := api.NewClient(conf)
	if err != nil {
		return nil, fmt.Errorf("preparing requests to %s: %w", node, err)
	}
	if namespace != "" {
		c.SetNamespace(namespace)
	}
	c.SetToken(token)
	return c, nil
}

// once keeps the API client from trying again.
func once(_ context.Context, _ *http.Response, err error) (bool, error) { return false, err }

// stay keeps net/http from following a redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (t TLS) config() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities to trust: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the authorities to trust: no certificate in %s", t.CAFile)
		}
	}
	switch {
	case t.CertFile == "" && t.KeyFile == "":
		return conf, nil
	case t.CertFile == "" || t.KeyFile == "":
		return nil, errors.New("a client certificate needs both its certificate file and its key file")
	}
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the client certificate: %w", err)
	}
	// Sent whatever authorities the server lists: those are for its TLS, a login may know others.
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	return conf, nil
}

// untrusted reports whether err says that the two ends do not trust each other, which trying again
// does not change.
func untrusted(err error) bool {
	var verify *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &verify) || errors.As(err, &header) || errors.As(err, &alert) ||
		err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// bounded fails an answer that is larger than any that a server means.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{resp.Body, maxAnswer}
	}
	return resp, err
}

var errTooLarge = fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
