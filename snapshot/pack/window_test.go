package pack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestPacksAreFetchedOnceIfTheWindowAllows(t *testing.T) {
	// With one worker, chunks are packed in the order of the stream. Segments are larger than
	// these packs, so that several workers would spread neighbours over many packs.
	shelf := newShelf()
	o := shelf.small()
	o.Workers = 1
	sealed, packs, _ := write(t, o, rows(7, 4<<20))
	s := sealed[0]
	for _, window := range []int{2, 3, 100} {
		shelf.fetches = 0
		r, err := NewReader(ReaderOptions{Identity: testIdentity(), Packs: packs, Fetch: shelf, Window: window})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(r, s); err != nil {
			t.Fatal(err)
		}
		// Packs differ in size, so that the budget of two does not hold every two.
		if shelf.fetches < len(packs) || shelf.fetches > len(packs) && (window > 2 || shelf.fetches > len(packs)*11/10) {
			t.Errorf("window of %d: %d fetches of %d packs", window, shelf.fetches, len(packs))
		}
	}
}

// Going round in circles is where dropping the pack used longest ago fetches every time.
func TestWindowDropsWhatIsNeededLast(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	first := make(map[uint32]Ref)
	for _, c := range s.Chunks {
		first[c.Pack] = c
	}
	var chunks []Ref
	for range 12 {
		for row := range uint32(4) {
			chunks = append(chunks, first[row])
		}
	}
	r, err := NewReader(ReaderOptions{Identity: testIdentity(), Packs: packs, Fetch: shelf, Window: 3})
	if err != nil {
		t.Fatal(err)
	}
	in := r.Open(context.Background(), chunks)
	defer in.Close()
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Fatal(err)
	}
	// The least possible is 4, and then one of every three: 19 of 48.
	if shelf.fetches > 26 {
		t.Errorf("%d fetches for 48 chunks", shelf.fetches)
	}
}

func TestWindowStaysWithinItsBudget(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	largest := int64(0)
	for _, p := range packs {
		largest = max(largest, p.Size)
	}
	r, err := NewReader(ReaderOptions{Identity: testIdentity(), Packs: packs, Fetch: shelf, Window: 3})
	if err != nil {
		t.Fatal(err)
	}
	shelf.fetch = func(Sum) error {
		r.window.mu.Lock()
		defer r.window.mu.Unlock()
		if r.window.used > 3*largest*9/8 || len(r.window.held) > 4 {
			return fmt.Errorf("%d bytes in %d packs are held", r.window.used, len(r.window.held))
		}
		return nil
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := read(r, s); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A reader that nobody reads from must not keep the window from another.
func TestStalledReaderBlocksNobody(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	for _, window := range []int{1, 2, 3} {
		r, err := NewReader(ReaderOptions{Identity: testIdentity(), Packs: packs, Fetch: shelf, Window: window})
		if err != nil {
			t.Fatal(err)
		}
		var stalled []io.ReadCloser
		for range 3 {
			in := r.Open(context.Background(), s.Chunks)
			if _, err := in.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			stalled = append(stalled, in)
		}
		if _, err := read(r, s); err != nil {
			t.Error(err)
		}
		for _, in := range stalled {
			in.Close()
		}
	}
}

// hanging never answers, but for the end of the context.
type hanging struct{}

func (hanging) Fetch(ctx context.Context, _ Sum, _, _ int64) (io.ReadCloser, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestReadersEndWithTheirContextOrClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	_, s, packs, _ := stored(t)
	r, err := NewReader(ReaderOptions{Identity: testIdentity(), Packs: packs, Fetch: hanging{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a, b := r.Open(ctx, s.Chunks), r.Open(context.Background(), s.Chunks)
	results := make(chan error, 2)
	for _, in := range []io.Reader{a, b} {
		go func() {
			_, err := in.Read(make([]byte, 1))
			results <- err
		}()
	}
	cancel()
	if err := <-results; !errors.Is(err, context.Canceled) {
		t.Errorf("Read returned %v", err)
	}
	a.Close()
	b.(*opened).cancel() // as Close does, which must not be called during Read
	if err := <-results; !errors.Is(err, context.Canceled) {
		t.Errorf("Read returned %v", err)
	}
	b.Close()
	if _, err := b.Read(make([]byte, 1)); err == nil {
		t.Error("a closed reader read")
	}
	if r.window.used != 0 || len(r.window.held) != 0 {
		t.Errorf("%d bytes are held after loads were given up", r.window.used)
	}
}

// slow answers when it is told to.
type slow struct {
	*shelf
	begun   chan struct{}
	proceed chan struct{}
}

func (s slow) Fetch(ctx context.Context, p Sum, offset, length int64) (io.ReadCloser, error) {
	s.begun <- struct{}{}
	select {
	case <-s.proceed:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.shelf.Fetch(ctx, p, offset, length)
}

func TestLoadOutlivesTheReaderThatBeganIt(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	sl := slow{shelf, make(chan struct{}, 1000), make(chan struct{})}
	r, err := NewReader(ReaderOptions{Identity: testIdentity(), Packs: packs, Fetch: sl, Window: 100})
	if err != nil {
		t.Fatal(err)
	}
	one := s.Chunks[:1]
	ctx, cancel := context.WithCancel(context.Background())
	first := r.Open(ctx, one)
	stopped := make(chan error)
	go func() {
		_, err := first.Read(make([]byte, 1))
		stopped <- err
	}()
	<-sl.begun
	second := r.Open(context.Background(), one)
	defer second.Close()
	got := make(chan error)
	go func() {
		_, err := io.ReadAll(second)
		got <- err
	}()
	for waits := 0; waits < 2; { // until the second waits for the same load
		r.window.mu.Lock()
		waits = len(r.window.held[one[0].Pack].wanted)
		r.window.mu.Unlock()
	}
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("Read returned %v", err)
	}
	first.Close()
	close(sl.proceed)
	if err := <-got; err != nil {
		t.Errorf("the second reader got %v", err)
	}
	if shelf.fetches != 1 {
		t.Errorf("%d fetches", shelf.fetches)
	}
}
