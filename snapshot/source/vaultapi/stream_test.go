package vaultapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestDownloadEndsOnlyWhereTheServerEndsIt(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	n := newNode(t)
	whole := true
	n.broken = func(w http.ResponseWriter, r *http.Request, _ int64) bool {
		if _, err := w.Write(payload); err != nil || whole {
			return true
		}
		return cut(w)
	}
	sess := login(t, n.server())
	body, err := sess.Download(t.Context(), "raw")
	must(t, err)
	got, err := io.ReadAll(body)
	must(t, err)
	must(t, body.Close())
	if !bytes.Equal(got, payload) {
		t.Errorf("%d bytes of %d", len(got), len(payload))
	}
	whole = false
	body, err = sess.Download(t.Context(), "raw")
	must(t, err)
	_, err = io.ReadAll(body)
	wants(t, err, ErrUnreachable, "downloading raw from "+n.URL)
	must(t, body.Close())
}

func TestAnswerWithoutAnEndIsRefused(t *testing.T) {
	n := newNode(t)
	n.broken = func(w http.ResponseWriter, r *http.Request, _ int64) bool {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return false
		}
		defer conn.Close()
		_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome of it")
		return err == nil
	}
	sess := login(t, n.server())
	if _, err := sess.Download(t.Context(), "raw"); err == nil || !strings.Contains(err.Error(), "cannot be told from a cut") {
		t.Errorf("error %v", err)
	}
}

func TestDownloadThatStandsStillFails(t *testing.T) {
	n := newNode(t)
	release := make(chan struct{})
	n.broken = func(w http.ResponseWriter, r *http.Request, _ int64) bool {
		if _, err := io.WriteString(w, "the first bytes"); err != nil {
			return true
		}
		err := http.NewResponseController(w).Flush()
		<-release
		return err == nil
	}
	defer close(release)
	s := n.server()
	s.Stall = time.Second
	sess := login(t, s)
	body, err := sess.Download(t.Context(), "raw")
	must(t, err)
	_, err = io.ReadAll(body)
	wants(t, err, errStalled)
	must(t, body.Close())
}

func TestUploadReachesTheServerWhole(t *testing.T) {
	n := newNode(t)
	got := make(chan string, 2)
	n.broken = func(w http.ResponseWriter, r *http.Request, _ int64) bool {
		body, err := io.ReadAll(r.Body)
		got <- fmt.Sprintf("%s %v", body, err)
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	sess := login(t, n.server())
	must(t, sess.Upload(t.Context(), "raw", strings.NewReader("an archive")))
	if heard := <-got; heard != "an archive <nil>" {
		t.Errorf("the server got %q", heard)
	}
	broken := errors.New("the repository is gone")
	err := sess.Upload(t.Context(), "raw", io.MultiReader(strings.NewReader("half"), errReader{broken}))
	wants(t, err, broken, "uploading to raw")
	if heard := <-got; heard != "half unexpected EOF" {
		t.Errorf("the server got %q, which is not a cut upload", heard)
	}
}

func TestUploadThatIsNotTakenFails(t *testing.T) {
	n := newNode(t)
	release := make(chan struct{})
	n.broken = func(_ http.ResponseWriter, r *http.Request, asked int64) bool {
		if asked == 1 {
			<-release
		}
		_, err := io.Copy(io.Discard, r.Body)
		return err == nil
	}
	defer close(release)
	s := n.server()
	s.Stall = time.Second
	sess := login(t, s)
	done := make(chan error, 1)
	go func() { done <- sess.Upload(t.Context(), "raw", endless{}) }()
	select {
	case err := <-done:
		wants(t, err, errStalled, "uploading to raw")
		wants(t, err, ErrUnreachable)
	case <-time.After(time.Minute):
		t.Fatal("the upload waits for ever")
	}
	slow := io.MultiReader(strings.NewReader("some"), waiting(3*s.Stall), strings.NewReader("more"))
	must(t, sess.Upload(t.Context(), "raw", slow)) // it is the reader that takes its time, not the server
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// waiting ends after some time.
type waiting time.Duration

func (w waiting) Read([]byte) (int, error) {
	time.Sleep(time.Duration(w))
	return 0, io.EOF
}

func TestUploadGoesToTheNodeThatIsActiveNow(t *testing.T) {
	old, next := newNode(t), newNode(t)
	next.set(old.URL, false)
	sess := login(t, next.server(old.URL))
	old.set(next.URL, false)
	next.set("", false)
	must(t, sess.Upload(t.Context(), "raw", strings.NewReader("an archive")))
	if _, ok := next.tokens.Load("a-token-of-tests"); !ok || sess.Address() != next.URL {
		t.Errorf("it went to %s", sess.Address())
	}
}

func TestRefusedUploadSaysWhatTheServerSaid(t *testing.T) {
	n := newNode(t)
	n.broken = func(w http.ResponseWriter, r *http.Request, _ int64) bool {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return false
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"errors":["could not verify hash file"]}`)
		return true
	}
	sess := login(t, n.server())
	err := sess.Upload(t.Context(), "raw", strings.NewReader("an archive"))
	var e *Error
	if !errors.As(err, &e) || e.Status != 400 || !e.says("hash file") {
		t.Errorf("error %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
