package vaultapi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A node is a fake: it answers what a real one does not do on command.
type node struct {
	*httptest.Server
	mu     sync.Mutex
	leader string // what it says of the leader; empty: itself
	sealed bool
	broken func(w http.ResponseWriter, r *http.Request, n int64) bool // true: it answered
	asked  atomic.Int64                                               // requests for "secret/x" and "raw"
	spaces sync.Map                                                   // namespaces asked for, by path
	tokens sync.Map
}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{}
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

func (n *node) set(leader string, sealed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leader, n.sealed = leader, sealed
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	leader, sealed := n.leader, n.sealed
	n.mu.Unlock()
	self := leader == ""
	if self {
		leader = n.URL
	}
	n.spaces.Store(r.URL.Path, r.Header.Get("X-Vault-Namespace"))
	switch r.URL.Path {
	case "/v1/sys/seal-status":
		fmt.Fprintf(w, `{"type":"shamir","initialized":true,"sealed":%t,"t":1,"n":1,"version":"1.21.0","storage_type":"raft"}`, sealed)
	case "/v1/sys/health":
		fmt.Fprintf(w, `{"initialized":true,"sealed":%t,"standby":%t,"version":"1.21.0","enterprise":false}`, sealed, !self)
	case "/v1/sys/leader":
		fmt.Fprintf(w, `{"ha_enabled":true,"is_self":%t,"leader_address":%q}`, self, leader)
	case "/v1/auth/token/renew-self":
		w.WriteHeader(http.StatusBadRequest)
	default:
		n.tokens.Store(r.Header.Get("X-Vault-Token"), true)
		if n.broken != nil && n.broken(w, r, n.asked.Add(1)) {
			return
		}
		fmt.Fprint(w, `{"data":{"value":"it"}}`)
	}
}

func (n *node) server(addresses ...string) *Server {
	return &Server{
		Addresses: append(addresses, n.URL), LeaderWait: 3 * time.Second,
		Auth: Auth{Method: MethodToken, Token: fixed("a-token-of-tests")},
	}
}

func cut(w http.ResponseWriter) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		err = conn.Close()
	}
	return err == nil
}

func TestLostReadIsSentAgain(t *testing.T) {
	n := newNode(t)
	n.broken = func(w http.ResponseWriter, r *http.Request, asked int64) bool { return asked < 3 && cut(w) }
	sess := login(t, n.server())
	_, err := sess.Read(t.Context(), "secret/x", nil)
	must(t, err)
	if n.asked.Load() != 3 {
		t.Errorf("asked %d times", n.asked.Load())
	}
}

func TestLostWriteIsNotSentAgain(t *testing.T) {
	n := newNode(t)
	n.broken = func(w http.ResponseWriter, r *http.Request, asked int64) bool { return asked < 3 && cut(w) }
	sess := login(t, n.server())
	_, err := sess.Write(t.Context(), "secret/x", map[string]string{})
	wants(t, err, ErrUnreachable, "writing secret/x")
	if n.asked.Load() != 1 {
		t.Errorf("sent %d times", n.asked.Load())
	}
	_, err = sess.Put(t.Context(), "secret/x", map[string]string{})
	must(t, err)
}

func TestBusyServerIsGivenTheTimeItAsksFor(t *testing.T) {
	n := newNode(t)
	n.broken = func(w http.ResponseWriter, r *http.Request, asked int64) bool {
		if asked > 1 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	sess := login(t, n.server())
	started := time.Now()
	_, err := sess.Write(t.Context(), "secret/x", map[string]string{}) // refused is not done
	must(t, err)
	if took := time.Since(started); took < time.Second {
		t.Errorf("sent again after %v", took)
	}
}

func TestTriesAreBounded(t *testing.T) {
	n := newNode(t)
	n.broken = func(w http.ResponseWriter, r *http.Request, _ int64) bool {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"errors":["1 error occurred:\n\t* disk on fire\n\n"]}`)
		return true
	}
	sess := login(t, n.server())
	_, err := sess.Read(t.Context(), "secret/x", nil)
	var e *Error
	if !errors.As(err, &e) || e.Error() != "reading secret/x: status 500: disk on fire" {
		t.Errorf("error %v", err)
	}
	if n.asked.Load() != maxTries {
		t.Errorf("asked %d times", n.asked.Load())
	}
}

func TestNodeThatStoppedBeingActiveIsLeft(t *testing.T) {
	old, next := newNode(t), newNode(t)
	next.set(old.URL, false)
	sess := login(t, next.server(old.URL))
	old.broken = func(w http.ResponseWriter, r *http.Request, _ int64) bool {
		old.set(next.URL, false)
		next.set("", false)
		http.Redirect(w, r, next.URL+r.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
	if sess.Address() != old.URL {
		t.Fatalf("logged in at %s", sess.Address())
	}
	_, err := sess.Write(t.Context(), "secret/x", map[string]string{}) // a redirect is not done either
	must(t, err)
	if sess.Address() != next.URL {
		t.Errorf("the session is with %s", sess.Address())
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer thief.Close()
	n := newNode(t)
	n.broken = func(w http.ResponseWriter, r *http.Request, _ int64) bool {
		http.Redirect(w, r, thief.URL+r.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
	s := n.server()
	s.LeaderWait = 500 * time.Millisecond
	sess := login(t, s)
	_, err := sess.Read(t.Context(), "secret/x", nil)
	wants(t, err, ErrNoLeader)
	_, err = sess.Download(t.Context(), "raw")
	wants(t, err, ErrNoLeader)
	if elsewhere.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

func TestLeaderOverAnotherSchemeIsRefused(t *testing.T) {
	n := newNode(t)
	n.set("https://leader.example:8200", false)
	started := time.Now()
	_, err := n.server().Login(t.Context())
	wants(t, err, errScheme, n.URL, "https://leader.example:8200")
	if took := time.Since(started); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestLeaderOutOfReachIsNamedWithWhoNamedIt(t *testing.T) {
	gone := newNode(t)
	gone.Close()
	n := newNode(t)
	n.set(gone.URL, false)
	s := n.server()
	s.LeaderWait = time.Second
	_, err := s.Login(t.Context())
	wants(t, err, ErrNoLeader, n.URL, gone.URL)
	wants(t, err, ErrUnreachable)
}

func TestStandbyTakenForTheLeaderGetsNoToken(t *testing.T) {
	a, b := newNode(t), newNode(t)
	a.set(b.URL, false)
	b.set(a.URL, false)
	s := b.server(a.URL)
	s.LeaderWait = time.Second
	_, err := s.Login(t.Context())
	wants(t, err, ErrNoLeader, a.URL+" is a standby and takes "+b.URL+" for the leader, which is a standby")
	if _, ok := a.tokens.Load("a-token-of-tests"); ok {
		t.Error("a standby saw the token")
	}
}

func TestLeaderThatIsBeingElectedIsWaitedFor(t *testing.T) {
	n := newNode(t)
	n.set("http://127.0.0.1:1", false)
	elected := time.AfterFunc(time.Second, func() { n.set("", false) })
	defer elected.Stop()
	s := n.server()
	s.LeaderWait = time.Minute
	login(t, s)
}

func TestAnswerLargerThanAnyIsRefused(t *testing.T) {
	n := newNode(t)
	n.broken = func(w http.ResponseWriter, r *http.Request, _ int64) bool {
		page := bytes.Repeat([]byte(" "), 1<<20)
		for range maxAnswer>>20 + 1 {
			if _, err := w.Write(page); err != nil {
				return true
			}
		}
		return true
	}
	_, err := login(t, n.server()).Read(t.Context(), "secret/x", nil)
	wants(t, err, errTooLarge)
	if n.asked.Load() != 1 {
		t.Errorf("asked %d times, and it would be the same every time", n.asked.Load())
	}
}

func TestNamespaceGoesWithRequestsThatNeedAToken(t *testing.T) {
	n := newNode(t)
	s := n.server()
	s.Namespace = "team/one"
	sess := login(t, s)
	_, err := sess.Read(t.Context(), "secret/x", nil)
	must(t, err)
	body, err := sess.Download(t.Context(), "raw")
	must(t, err)
	must(t, body.Close())
	for path, want := range map[string]string{
		"/v1/sys/seal-status": "", "/v1/sys/health": "", "/v1/sys/leader": "",
		"/v1/auth/token/renew-self": "team/one", "/v1/secret/x": "team/one", "/v1/raw": "team/one",
	} {
		if got, ok := n.spaces.Load(path); !ok || got != want {
			t.Errorf("%s is asked for in namespace %q, want %q", path, got, want)
		}
	}
}

func TestRateIsKept(t *testing.T) {
	n := newNode(t)
	s := n.server()
	s.Rate = 20
	sess := login(t, s)
	started := time.Now()
	for range 10 {
		_, err := sess.Read(t.Context(), "secret/x", nil)
		must(t, err)
	}
	if took := time.Since(started); took < 400*time.Millisecond {
		t.Errorf("ten requests in %v at 20 a second", took)
	}
}
