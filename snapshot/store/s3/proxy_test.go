package s3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"holdfast/fixtures"
)

// An action is what a proxy does with one request.
type action struct {
	status int    // answer this instead of asking the server
	code   string // with it
	text   string // with it
	lose   bool   // let the server do it, then cut the connection instead of answering
	cut    int64  // cut the connection after so many bytes of the answer's body
	hang   bool   // never answer
}

// A proxy stands before a server and does harm.
type proxy struct {
	*httptest.Server
	mu       sync.Mutex
	decide   func(*http.Request) action
	requests []string // methods, in order
}

// newProxy starts a proxy before s. It asks decide about each request.
func newProxy(t *testing.T, s *fixtures.S3Server, decide func(*http.Request) action) *proxy {
	t.Helper()
	to, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{decide: decide}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // is signed
	}}
	end := make(chan struct{})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.serve(w, r, forward, end)
	}))
	t.Cleanup(func() {
		close(end)
		p.Server.CloseClientConnections()
		p.Server.Close()
	})
	return p
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request, forward http.Handler, end <-chan struct{}) {
	p.mu.Lock()
	p.requests = append(p.requests, r.Method)
	a := p.decide(r)
	p.mu.Unlock()
	switch {
	case a.hang:
		select {
		case <-end:
		case <-time.After(time.Minute):
		}
		panic(http.ErrAbortHandler)
	case a.status != 0:
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, "<Error><Code>"+a.code+"</Code><Message>"+a.text+"</Message></Error>")
	case a.lose:
		forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case a.cut > 0:
		forward.ServeHTTP(&cutWriter{ResponseWriter: w, left: a.cut}, r)
	default:
		forward.ServeHTTP(w, r)
	}
}

// count returns how many requests came.
func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

type cutWriter struct {
	http.ResponseWriter
	left int64
}

func (w *cutWriter) Write(b []byte) (int, error) {
	if int64(len(b)) < w.left {
		w.left -= int64(len(b))
		return w.ResponseWriter.Write(b)
	}
	_, _ = w.ResponseWriter.Write(b[:w.left]) // the connection is about to break anyway
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// times returns a decision that harms the first n requests of a method.
func times(n int, method string, a action) func(*http.Request) action {
	return func(r *http.Request) action {
		if r.Method != method || n == 0 {
			return action{}
		}
		n--
		return a
	}
}
