package vaultapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/openbao/openbao/api/v2"
	"golang.org/x/time/rate"
)

// A Session is a login on the active node. It is safe for concurrent use. When its node is lost, or stops being
// active, it looks for the one that is and goes on there.
type Session struct {
	server  *Server
	link    *link
	limiter *rate.Limiter
	fixed   bool  // stays at one node, whatever it is
	broken  error // why no request can be sent

	mu     sync.Mutex
	client *api.Client // of the node; replaced, never changed
	node   *url.URL
	status Status
	token  string
	made   bool // the token is ours to revoke
}

// Address is where requests go now.
func (s *Session) Address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.node == nil {
		return ""
	}
	return s.node.String()
}

// Status is what the node said of itself when it was chosen.
func (s *Session) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Read reads path. If the error matches ErrNotFound, the Answer may be there nevertheless: with what a
// KV version 2 mount tells of a version that was deleted.
func (s *Session) Read(ctx context.Context, path string, query url.Values) (*Answer, error) {
	return s.retry(ctx, request{method: http.MethodGet, op: "reading", path: path, query: query, again: true})
}

// List returns the names under path; those that end in a slash have more under them. Nothing there
// is ErrNotFound.
func (s *Session) List(ctx context.Context, path string) ([]string, error) {
	r := request{method: http.MethodGet, op: "listing", path: path, query: url.Values{"list": {"true"}}, again: true}
	answer, err := s.retry(ctx, r)
	if err != nil {
		return nil, err
	}
	var list struct {
		Keys []string `json:"keys"`
	}
	if err := json.Unmarshal(answer.Data, &list); err != nil {
		return nil, fmt.Errorf("listing %s: %w", path, err)
	}
	return list.Keys, nil
}

// Write sends body to path. It is sent again only if the server certainly did not act on it, so an
// error may mean that it was written.
func (s *Session) Write(ctx context.Context, path string, body any) (*Answer, error) {
	return s.retry(ctx, request{method: http.MethodPost, op: "writing", path: path, body: body})
}

// Put is Write for what may be written twice: it is sent again also if the answer was lost.
func (s *Session) Put(ctx context.Context, path string, body any) (*Answer, error) {
	return s.retry(ctx, request{method: http.MethodPut, op: "writing", path: path, body: body, again: true})
}

// Delete deletes path, which need not be there.
func (s *Session) Delete(ctx context.Context, path string) error {
	_, err := s.retry(ctx, request{method: http.MethodDelete, op: "deleting", path: path, again: true})
	return err
}

// closeTimeout bounds what Close does after the context of a run has ended.
const closeTimeout = 10 * time.Second

// Close revokes the token if Login made it, also when ctx is done. A token that was configured stays.
func (s *Session) Close(ctx context.Context) error {
	if s.link == nil {
		return nil
	}
	defer s.link.close()
	s.mu.Lock()
	made := s.made
	s.made = false
	s.mu.Unlock()
	if !made {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_, err := s.Put(ctx, "auth/token/revoke-self", nil)
	if err == nil || errors.Is(err, ErrExpired) || batchToken(err) {
		return nil
	}
	return fmt.Errorf("revoking the token of this session: %w", err)
}

// batchToken reports whether err says that the token is of the kind that only expires.
func batchToken(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusBadRequest && e.says("batch token")
}

// at returns the client of the node that requests go to.
func (s *Session) at() (*api.Client, *url.URL) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client, s.node
}

// to makes requests go to address, with token.
func (s *Session) to(address, token string) error {
	node, err := parseAddress(address)
	if err != nil {
		return err
	}
	namespace := s.link.namespace
	if s.fixed {
		namespace = ""
	}
	c, err := s.link.client(node, token, namespace)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client, s.node, s.token = c, node, token
	return nil
}
