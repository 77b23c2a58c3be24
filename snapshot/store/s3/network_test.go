package s3_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/snapshot"
	"holdfast/snapshot/store/s3"
)

// behind starts a server and a proxy before it, and opens the server's bucket both ways.
func behind(t *testing.T, decide func(*http.Request) action) (through, direct *s3.Store, p *proxy) {
	t.Helper()
	server := fixtures.S3(t)
	server.Setenv(t)
	p = newProxy(t, server, decide)
	o := s3.Options{Bucket: server.Bucket, Prefix: "p", Region: "us-east-1", Endpoint: p.URL, PathStyle: true,
		Attempts: 4, Stall: time.Second, Pause: 20 * time.Millisecond}
	return openOptions(t, o), open(t, server, server.Bucket, "p"), p
}

func TestPutIsTriedAgain(t *testing.T) {
	for name, a := range map[string]action{
		"Unavailable": {status: 503, code: "SlowDown"},
		"Error":       {status: 500, code: "InternalError"},
		"Conflict":    {status: 409, code: "ConditionalRequestConflict"},
		"Stalled":     {hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			through, direct, p := behind(t, times(3, http.MethodPut, a))
			put(t, through, "k", "body")
			if got := get(t, direct, "k"); got != "body" {
				t.Errorf("got %q", got)
			}
			if p.count() != 4 {
				t.Errorf("%d requests, want 4", p.count())
			}
		})
	}
}

func TestPutGivesUp(t *testing.T) {
	for name, a := range map[string]action{
		"Unavailable": {status: 503, code: "SlowDown"},
		"Stalled":     {hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			through, _, p := behind(t, times(100, http.MethodPut, a))
			err := through.Put(t.Context(), "k", []byte("body"), snapshot.PutOptions{})
			if err == nil || errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			if p.count() != 4 {
				t.Errorf("%d requests, want 4", p.count())
			}
		})
	}
}

// A big body stalls while it is written, long before any answer is due.
func TestStalledUploadOfABigBodyEnds(t *testing.T) {
	through, _, _ := behind(t, times(100, http.MethodPut, action{hang: true}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := through.Put(ctx, "k", make([]byte, 32<<20), snapshot.PutOptions{SHA256: [32]byte{1}})
	if err == nil || ctx.Err() != nil {
		t.Errorf("error %v, context %v", err, ctx.Err())
	}
}

func TestPutWhoseAnswerIsLostFindsItsObject(t *testing.T) {
	through, direct, _ := behind(t, times(1, http.MethodPut, action{lose: true}))
	wantError(t, through.Put(t.Context(), "k", []byte("body"), snapshot.PutOptions{}), fs.ErrExist)
	if got := get(t, direct, "k"); got != "body" {
		t.Errorf("got %q", got)
	}
}

func TestSwapWhoseAnswerIsLostKnowsItWon(t *testing.T) {
	through, direct, _ := behind(t, times(1, http.MethodPut, action{lose: true}))
	first, err := through.Swap(t.Context(), "r", []byte("one"), "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := direct.Load(t.Context(), "r")
	if err != nil || r.Version != first {
		t.Fatalf("loaded %q, %v, want %q", r.Version, err, first)
	}
	if _, err := direct.Swap(t.Context(), "r", []byte("two"), first); err != nil {
		t.Error(err)
	}
}

func TestSwapWhoseRequestIsLostIsTriedAgain(t *testing.T) {
	through, direct, _ := behind(t, times(2, http.MethodPut, action{status: 503, code: "SlowDown"}))
	first, err := direct.Swap(t.Context(), "r", []byte("one"), "")
	if err != nil {
		t.Fatal(err)
	}
	second, err := through.Swap(t.Context(), "r", []byte("two"), first)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := direct.Load(t.Context(), "r"); err != nil || r.Version != second || string(r.Body) != "two" {
		t.Errorf("loaded %q at %q, %v", r.Body, r.Version, err)
	}
}

// The first attempt is carried out only after someone looked, and the second finds it there.
func TestSwapThatLandsLateKnowsItWon(t *testing.T) {
	var direct *s3.Store
	puts, version := 0, ""
	through, direct, _ := behind(t, func(r *http.Request) action {
		if r.Method != http.MethodPut {
			return action{}
		}
		if puts++; puts == 1 {
			return action{status: 500, code: "InternalError"}
		}
		var err error
		if version, err = direct.Swap(t.Context(), "r", []byte("ours"), ""); err != nil {
			t.Error(err)
		}
		return action{}
	})
	got, err := through.Swap(t.Context(), "r", []byte("ours"), "")
	if err != nil || got != version {
		t.Errorf("swapped to %q, %v, want %q", got, err, version)
	}
}

// The answer is lost, and before anyone looks someone else has swapped.
func TestSwapInDoubtThatLostIsAConflict(t *testing.T) {
	var direct *s3.Store
	looked := false
	through, direct, _ := behind(t, func(r *http.Request) action {
		switch {
		case r.Method == http.MethodPut && !looked:
			return action{status: 500, code: "InternalError"}
		case r.Method == http.MethodGet && !looked:
			looked = true
			if _, err := direct.Swap(t.Context(), "r", []byte("theirs"), ""); err != nil {
				t.Error(err)
			}
		}
		return action{}
	})
	_, err := through.Swap(t.Context(), "r", []byte("ours"), "")
	wantError(t, err, snapshot.ErrConflict)
	if got := get(t, direct, "r"); got != "theirs" {
		t.Errorf("the register is %q", got)
	}
}

func TestSwapThatCannotBeSettledIsAnError(t *testing.T) {
	through, _, _ := behind(t, func(*http.Request) action { return action{status: 503, code: "SlowDown"} })
	_, err := through.Swap(t.Context(), "r", []byte("x"), "")
	if err == nil || errors.Is(err, snapshot.ErrConflict) {
		t.Errorf("error %v", err)
	}
}

func TestReadGoesOnWhereTheConnectionBroke(t *testing.T) {
	through, direct, p := behind(t, times(3, http.MethodGet, action{cut: 1_000_000}))
	body := make([]byte, 5_000_000)
	for i := range body {
		body[i] = byte(i * i >> 8)
	}
	if err := direct.Put(t.Context(), "k", body, snapshot.PutOptions{SHA256: sha256.Sum256(body)}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []snapshot.Range{{}, {Offset: 100}, {Offset: 7, Length: 4_000_000}} {
		p.mu.Lock()
		p.decide = times(3, http.MethodGet, action{cut: 1_000_000})
		p.mu.Unlock()
		want := body[r.Offset:]
		if r.Length > 0 {
			want = want[:r.Length]
		}
		rc, err := through.Get(t.Context(), "k", r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rc)
		if err := errors.Join(err, rc.Close()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%+v: %d other bytes came, want %d", r, len(got), len(want))
		}
	}
}

// Registers change: the rest of another version must not be glued on.
func TestReadDoesNotMixVersions(t *testing.T) {
	var direct *s3.Store
	var version string
	gets := 0
	through, direct, _ := behind(t, func(r *http.Request) action {
		if gets++; gets > 1 {
			if _, err := direct.Swap(t.Context(), "r", bytes.Repeat([]byte("b"), 100_000), version); err != nil {
				t.Error(err)
			}
			return action{}
		}
		return action{cut: 50_000}
	})
	version, err := direct.Swap(t.Context(), "r", bytes.Repeat([]byte("a"), 100_000), "")
	if err != nil {
		t.Fatal(err)
	}
	rc, err := through.Get(t.Context(), "r", snapshot.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if got, err := io.ReadAll(rc); err == nil || bytes.Contains(got, []byte("b")) {
		t.Errorf("read %d bytes, error %v", len(got), err)
	}
}

func TestReadThatKeepsBreakingEnds(t *testing.T) {
	through, direct, p := behind(t, times(100, http.MethodGet, action{cut: 1}))
	put(t, direct, "k", "0123456789abcdef")
	p.mu.Lock()
	p.decide = func() func(*http.Request) action {
		first := true
		return func(*http.Request) action {
			if first {
				first = false
				return action{cut: 4}
			}
			return action{status: 503, code: "SlowDown"}
		}
	}()
	p.mu.Unlock()
	rc, err := through.Get(t.Context(), "k", snapshot.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	got, err := io.ReadAll(rc)
	if err == nil || string(got) != "0123" {
		t.Errorf("read %q, error %v", got, err)
	}
}

func TestServerThatComesBackIsUsedAgain(t *testing.T) {
	server := fixtures.S3(t)
	server.Setenv(t)
	o, err := s3.ParseURL(server.URL("p"))
	if err != nil {
		t.Fatal(err)
	}
	o.Attempts, o.Pause = 1000, 100*time.Millisecond // for as long as the server takes to start
	s := openOptions(t, o)
	put(t, s, "before", "x")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Put(t.Context(), "during", []byte("x"), snapshot.PutOptions{}) }()
	time.Sleep(200 * time.Millisecond)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := get(t, s, "before"); got != "x" {
		t.Errorf("got %q", got)
	}
}
