package raft

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A node is the scratch server as a client on this machine sees it, through a socket in the
// server's own folder.
type node struct {
	client *http.Client
	token  string // "" before there is one
}

// askTime bounds one request that is no transfer: a server on this machine that takes longer hangs.
const askTime = time.Minute

// maxAnswer bounds an answer that is read into memory.
const maxAnswer = 32 << 20

func newNode(socket string) *node {
	return &node{client: &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			},
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask sends a request and decodes the answer into answer, unless that is nil.
func (n *node) ask(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("asking for %s: %w", path, err)
		}
		r = bytes.NewReader(b)
	}
	resp, err := n.send(ctx, method, path, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if answer == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	} else {
		err = json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(answer)
	}
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}

// Download reads what path gives as it is. The caller closes it.
func (n *node) Download(ctx context.Context, path string) (io.ReadCloser, error) {
	resp, err := n.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// upload sends r as it is. An error of r breaks the transfer off, so that the server cannot take
// what came for the whole.
func (n *node) upload(ctx context.Context, path string, r io.Reader) error {
	resp, err := n.send(ctx, http.MethodPost, path, io.NopCloser(r))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// send returns the answer if it is a good one. The caller closes its body.
func (n *node) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://scratch/v1/"+path, body)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	if n.token != "" {
		req.Header.Set("X-Vault-Token", n.token)
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNoContent {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, &refusal{path, resp.StatusCode, messages(resp.Body)}
}

// A refusal is an answer of the scratch server that is not the one asked for.
type refusal struct {
	path     string
	status   int
	messages []string // the server's
}

func (r *refusal) Error() string {
	if len(r.messages) == 0 {
		return fmt.Sprintf("asking for %s: the scratch server answered %d", r.path, r.status)
	}
	return fmt.Sprintf("asking for %s: the scratch server answered %d: %s", r.path, r.status, strings.Join(r.messages, "; "))
}

// messages reads the server's reasons out of an error's body and nothing else of it.
func messages(body io.Reader) []string {
	var said struct{ Errors []string }
	if json.NewDecoder(io.LimitReader(body, 64<<10)).Decode(&said) != nil {
		return nil // not an answer of Vault; the status has to do
	}
	return said.Errors
}
