package pack

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/goleak"
)

func TestEveryPutErrorIsReturned(t *testing.T) {
	data := noise(1, 1<<20)
	shelf := newShelf()
	write(t, shelf.small(), data)
	calls := shelf.puts
	if calls < 10 {
		t.Fatalf("%d puts are too few to mean anything", calls)
	}
	boom := errors.New("boom")
	for call := 1; call <= calls-2; call++ { // packing is random, so the number differs a little
		t.Run(fmt.Sprint(call), func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			shelf := newShelf()
			shelf.failPut = func(n int) error {
				if n == call {
					return boom
				}
				return nil
			}
			w, err := NewWriter(context.Background(), shelf.small())
			if err != nil {
				t.Fatal(err)
			}
			s := w.Stream()
			_, werr := s.Write(data)
			_, serr := s.Close()
			packs, cerr := w.Close()
			if !errors.Is(cerr, boom) || packs != nil {
				t.Errorf("Close returned %v", cerr)
			}
			for _, err := range []error{werr, serr} {
				if err != nil && !errors.Is(err, boom) {
					t.Errorf("the stream returned %v", err)
				}
			}
			if _, err := w.Stream().Write(data); !errors.Is(err, boom) {
				t.Errorf("a later Write returned %v", err)
			}
			if _, err := w.Close(); !errors.Is(err, boom) {
				t.Errorf("a later Close returned %v", err)
			}
			w.Abort()
		})
	}
}

// refusing is a recipient that fails, but not at once.
type refusing struct{ err error }

func (r refusing) Wrap([]byte) ([]*age.Stanza, error) {
	time.Sleep(50 * time.Millisecond)
	return nil, r.err
}

func TestErrorWakesWorkersThatWaitForTheSameChunk(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	boom := errors.New("boom")
	o := newShelf().small()
	o.Recipient = refusing{boom}
	w, err := NewWriter(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			s := w.Stream()
			if _, err := s.Write([]byte("the same")); err != nil && !errors.Is(err, boom) {
				t.Errorf("Write returned %v", err)
			}
			if _, err := s.Close(); !errors.Is(err, boom) {
				t.Errorf("Close returned %v", err)
			}
		})
	}
	wg.Wait()
}

func TestInterruptionEndsEverything(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancelCause(context.Background())
	signal := errors.New("terminated")
	shelf := newShelf()
	o := shelf.small()
	started := make(chan struct{}, 1000)
	o.Put = func(ctx context.Context, _ Stored) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	w, err := NewWriter(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-started
		cancel(signal)
	}()
	s := w.Stream()
	_, err = s.Write(noise(1, 16<<20)) // far more than fits anywhere, so it has to wait
	if !errors.Is(err, context.Canceled) || !errors.Is(err, signal) {
		t.Errorf("Write returned %v", err)
	}
	if _, err := s.Close(); !errors.Is(err, context.Canceled) {
		t.Errorf("Stream.Close returned %v", err)
	}
	if _, err := w.Close(); !errors.Is(err, context.Canceled) {
		t.Errorf("Close returned %v", err)
	}
}

func TestAbortStopsAWriterThatWaits(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	shelf := newShelf()
	o := shelf.small()
	started := make(chan struct{}, 1000)
	o.Put = func(ctx context.Context, _ Stored) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	w, err := NewWriter(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error)
	go func() {
		_, err := w.Stream().Write(noise(1, 16<<20))
		wrote <- err
	}()
	<-started
	w.Abort()
	w.Abort()
	if err := <-wrote; !errors.Is(err, errAborted) {
		t.Errorf("Write returned %v", err)
	}
}

func TestClosingWithAnOpenStreamFails(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	shelf := newShelf()
	w, err := NewWriter(context.Background(), shelf.small())
	if err != nil {
		t.Fatal(err)
	}
	s := w.Stream()
	if _, err := w.Close(); err == nil {
		t.Error("a snapshot of half a stream was accepted")
	}
	if _, err := s.Write([]byte("late")); err == nil {
		t.Error("a Write after that was accepted")
	}
}

func TestClosedWriterAndStreamTakeNothing(t *testing.T) {
	shelf := newShelf()
	w, err := NewWriter(context.Background(), shelf.small())
	if err != nil {
		t.Fatal(err)
	}
	s := w.Stream()
	if _, err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("late")); !errors.Is(err, errStreamClosed) {
		t.Errorf("Write returned %v", err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if _, err := w.Stream().Write([]byte("late")); err == nil {
		t.Error("a closed writer took a stream")
	}
}

func TestSenselessOptionsAreRefused(t *testing.T) {
	good := newShelf().small()
	for name, change := range map[string]func(*WriterOptions){
		"no recipient": func(o *WriterOptions) { o.Recipient = nil },
		"no put":       func(o *WriterOptions) { o.Put = nil },
		"chunking":     func(o *WriterOptions) { o.Chunking.Max = MaxChunk + 1 },
		"pack size":    func(o *WriterOptions) { o.PackSize = maxPackSize + 1 },
		"workers":      func(o *WriterOptions) { o.Workers = -1 },
		"level":        func(o *WriterOptions) { o.Level = 99 },
	} {
		o := good
		change(&o)
		if w, err := NewWriter(context.Background(), o); err == nil {
			w.Abort()
			t.Errorf("%s: accepted", name)
		}
	}
}
