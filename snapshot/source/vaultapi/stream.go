package vaultapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/openbao/openbao/api/v2"
)

// Download opens path as a raw stream. Trouble before the server agrees to send is retried; afterwards
// every error is the reader's, and io.EOF means that the server ended what it sent. The caller
// closes the reader.
func (s *Session) Download(ctx context.Context, path string) (io.ReadCloser, error) {
	r := request{method: http.MethodGet, op: "downloading", path: path, again: true}
	return attempt(ctx, s, r, func(c *api.Client, node *url.URL) (io.ReadCloser, error) {
		return s.download(ctx, c, node, r)
	})
}

// Upload sends all of from to path. It is sent once, to the node that is active by its own account a moment
// before, since from cannot be read again. A nil error means that the server took it. A server that takes no
// byte for Server.Stall, or says nothing for long after the last one, is given up. When Upload returns, nothing
// reads from any more.
func (s *Session) Upload(ctx context.Context, path string, from io.Reader) error {
	r := request{method: http.MethodPost, op: "uploading to", path: path}
	if s.broken != nil {
		return fmt.Errorf("%s %s: %w", r.op, r.path, s.broken)
	}
	if err := s.stillActive(ctx); err != nil {
		return fmt.Errorf("%s %s: %w", r.op, r.path, err)
	}
	c, node := s.at()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body := &watchedBody{r: from, limit: s.server.stall()}
	body.silence = time.AfterFunc(body.limit, func() { cancel(errStalled) })
	defer body.silence.Stop()
	resp, err := s.raw(ctx, c, node, r, body)
	if broken := body.end(); broken != nil { // why the request ended; the transport may say it in its own words
		return errors.Join(fmt.Errorf("%s %s: %w", r.op, r.path, broken), closeBody(resp))
	}
	if err != nil {
		return unreachable(r, stalled(ctx, err))
	}
	return answered(r, resp)
}

// answerWait is how long a server may take for its answer after it has all of an upload, which it proves and
// writes to its disk before.
const answerWait = 30 * time.Minute

// stalled returns that nothing came or went, if that is what ended ctx, and err otherwise.
func stalled(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		return cause
	}
	return err
}

// stillActive goes to the node that is active now. A standby would not take an upload.
func (s *Session) stillActive(ctx context.Context) error {
	if s.fixed {
		return nil
	}
	st, err := s.await(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	token := s.token
	s.status = st
	s.mu.Unlock()
	return s.to(st.Address, token)
}

// A watchedBody remembers the error that its reader gave. The transport may read on for a while after the
// request has ended: from end on it gets nothing more, so that the caller has its reader back. Between two
// reads silence runs: the server is taking what the first one gave.
type watchedBody struct {
	silence *time.Timer
	limit   time.Duration

	mu    sync.Mutex
	r     io.Reader
	err   error
	ended bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, io.ErrClosedPipe
	}
	b.silence.Stop()
	n, err := b.r.Read(p)
	switch {
	case err == nil:
		b.silence.Reset(b.limit)
	case err == io.EOF:
		b.silence.Reset(answerWait)
	default:
		b.err = err
	}
	return n, err
}

// end waits for the last Read and returns the error that there was, if any.
func (b *watchedBody) end() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	return b.err
}

func closeBody(resp *http.Response) error {
	if resp == nil {
		return nil
	}
	return resp.Body.Close()
}

func (s *Session) download(ctx context.Context, c *api.Client, node *url.URL, r request) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	silence := time.AfterFunc(s.server.stall(), func() { cancel(errStalled) })
	resp, err := s.raw(ctx, c, node, r, nil)
	silence.Stop()
	if err != nil {
		defer cancel(nil)
		if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
			err = fmt.Errorf("no answer for %v: %w", s.server.stall(), cause)
		}
		return nil, unreachable(r, err)
	}
	if resp.StatusCode != http.StatusOK || !framed(resp) {
		defer cancel(nil)
		if err := answered(r, resp); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s %s: status %d, and an answer whose end cannot be told from a cut", r.op, r.path, resp.StatusCode)
	}
	return &body{
		ReadCloser: resp.Body, ctx: ctx, cancel: cancel, silence: silence, limit: s.server.stall(),
		what: fmt.Sprintf("%s %s from %s", r.op, r.path, node),
	}, nil
}

// framed reports whether the end of a body can be told from a cut connection.
func framed(resp *http.Response) bool {
	return resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0
}

// raw sends a request whose answer or body is a stream. Only ctx bounds it.
func (s *Session) raw(ctx context.Context, c *api.Client, node *url.URL, r request, from io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, node.JoinPath("v1", r.path).String(), from)
	if err != nil {
		return nil, err
	}
	req.Header.Set(api.RequestHeaderName, "true")
	req.Header.Set(api.AuthHeaderName, c.Token())
	if ns := c.Namespace(); ns != "" {
		req.Header.Set(api.NamespaceHeaderName, ns)
	}
	return (&http.Client{Transport: s.link.transport, CheckRedirect: stay}).Do(req)
}

// maxRefusal bounds what is read of an answer that says no.
const maxRefusal = 64 << 10

// answered closes resp and returns the error that it means; nil for a success.
func answered(r request, resp *http.Response) error {
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	var said struct {
		Errors []string `json:"errors"`
	}
	// What is not JSON comes from something in between, and its status says enough.
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRefusal)).Decode(&said); err != nil {
		said.Errors = nil
	}
	return later(resp, &Error{Status: resp.StatusCode, Op: r.op, Path: r.path, Messages: messages(said.Errors)})
}

// errStalled means that nothing came for Server.Stall.
var errStalled = errors.New("the connection stands still")

// A body is a download. It watches for silence only while somebody waits for bytes.
type body struct {
	io.ReadCloser
	ctx     context.Context
	cancel  context.CancelCauseFunc
	silence *time.Timer
	limit   time.Duration
	what    string
}

func (b *body) Read(p []byte) (int, error) {
	b.silence.Reset(b.limit)
	n, err := b.ReadCloser.Read(p)
	b.silence.Stop()
	if err == nil || err == io.EOF {
		return n, err
	}
	if cause := context.Cause(b.ctx); cause != nil {
		err = cause
	}
	return n, fmt.Errorf("%s: %w: %w", b.what, ErrUnreachable, err)
}

// Close ends the download, at its end or before.
func (b *body) Close() error {
	b.silence.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}
