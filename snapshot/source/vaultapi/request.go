package vaultapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/openbao/openbao/api/v2"
)

// An Answer is what a server sends back. Numbers in it are the digits that the server sent.
type Answer struct {
	Data     json.RawMessage // what is under "data"; the whole body where the server sends no such envelope
	Body     json.RawMessage // the whole body; empty if there is none
	Warnings []string
}

// Decode reads Data into v. Numbers that go into an any become json.Number.
func (a *Answer) Decode(v any) error {
	dec := json.NewDecoder(bytes.NewReader(a.Data))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("decoding an answer: %w", err)
	}
	return nil
}

// A request is one question to a node.
type request struct {
	method, op, path string
	query            url.Values
	body             any    // nil for none
	again            bool   // may be sent again although the server may have acted on it
	anyStatus        bool   // whatever the status, a body is the answer
	token            string // in place of the session's
}

// send sends r once. An answer with an error status is an *Error, and comes with the Answer if the
// server sent data in spite of it. Anything else matches ErrUnreachable.
func (l *link) send(ctx context.Context, c *api.Client, r request) (*Answer, error) {
	if err := checkPath(r.path); err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.op, r.path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	req := c.NewRequest(r.method, "/v1/"+r.path)
	for name, values := range r.query {
		req.Params[name] = values
	}
	if r.token != "" {
		req.ClientToken = r.token
	}
	if r.body != nil {
		if err := req.SetJSONBody(r.body); err != nil {
			return nil, fmt.Errorf("%s %s: encoding the request: %w", r.op, r.path, err)
		}
	}
	resp, err := c.RawRequestWithContext(ctx, req)
	if resp == nil {
		return nil, unreachable(r, err)
	}
	defer resp.Body.Close()
	body, readErr := io.ReadAll(resp.Body) // bounded by the transport
	if readErr != nil {
		return nil, unreachable(r, readErr)
	}
	return read(r, resp.Response, body)
}

// unreachable describes an error that came instead of an answer. A *url.Error quotes the whole
// address with its query; what is under it says enough.
func unreachable(r request, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%s %s: %w: %w", r.op, r.path, ErrUnreachable, err)
}

// read makes an Answer of a whole answer.
func read(r request, resp *http.Response, body []byte) (*Answer, error) {
	var envelope struct {
		Data     json.RawMessage `json:"data"`
		Errors   []string        `json:"errors"`
		Warnings []string        `json:"warnings"`
	}
	if len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, &envelope); err != nil && resp.StatusCode < 300 {
			return nil, fmt.Errorf("%s %s: the answer is not JSON: %w", r.op, r.path, err)
		}
	}
	answer := &Answer{Data: envelope.Data, Body: body, Warnings: envelope.Warnings}
	if len(answer.Data) == 0 || string(answer.Data) == "null" {
		answer.Data = body
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 || r.anyStatus && len(envelope.Errors) == 0 && json.Valid(body) {
		return answer, nil
	}
	err := later(resp, &Error{Status: resp.StatusCode, Op: r.op, Path: r.path, Messages: messages(envelope.Errors)})
	if len(envelope.Data) == 0 {
		return nil, err
	}
	return answer, err
}

// A postponed error is one whose answer said when to come back.
type postponed struct {
	error
	after time.Duration
}

func (p *postponed) Unwrap() error { return p.error }

// later adds what the header says about when to try again.
func later(resp *http.Response, err error) error {
	seconds, parseErr := strconv.Atoi(resp.Header.Get("Retry-After"))
	if parseErr != nil || seconds < 0 {
		return err
	}
	return &postponed{err, time.Duration(seconds) * time.Second}
}

// checkPath refuses a path that a URL would not keep as it is: one question would become another.
func checkPath(path string) error {
	for part := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("a path with the segment %q cannot be asked for", part)
		}
	}
	return nil
}
