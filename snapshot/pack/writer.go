package pack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// WriterOptions say how a Writer stores chunks. Recipient, Key and Put are required.
type WriterOptions struct {
	Recipient age.Recipient          // the epoch's
	Key       Key                    // of the vault
	Chunking  Chunking               // zero: DefaultChunking
	Level     zstd.EncoderLevel      // zero: zstd.SpeedFastest
	PackSize  int                    // frames per pack before padding; zero: 8 MiB
	Workers   int                    // zero: GOMAXPROCS, at most 8
	Puts      int                    // concurrent Put calls; zero: 3
	Known     func(ID) (Place, bool) // chunks stored already; called concurrently; nil: none
	// Put stores a finished pack; nil means it is durable. It is called concurrently, at most
	// Puts times at once, must return soon after ctx ends and must not keep s.Body.
	Put func(ctx context.Context, s Stored) error
}

// A Writer stores the chunks of streams in packs. Its goroutines end with Close or Abort, one
// of which must be called.
//
// Memory: at most Puts+2 packs, 2*Workers+1 segments of about 1 MiB (Max+Avg if chunks are
// longer), one segment more for each open stream, and what each zstd encoder takes.
type Writer struct {
	o      WriterOptions
	parent context.Context
	ctx    context.Context // ends with the first error, which is its cause
	cancel context.CancelCauseFunc
	cutter *cutter

	jobs     chan *segment // from streams to workers
	inflight chan struct{} // one for every segment that is not done; as many as jobs holds
	segments chan *segment // to be used again
	workers  sync.WaitGroup

	index     *index
	table     table
	slots     [2]slot
	bodies    chan []byte   // buffers of packs that nobody fills or stores
	puts      chan struct{} // one for every Put under way
	finishing sync.WaitGroup

	ending sync.Mutex // held by Close and by Abort, so that one waits for the other
	mu     sync.Mutex
	open   int // streams, and calls of Carry
	closed bool
	stats  Stats
}

// Stats tell what a Writer did so far.
type Stats struct {
	Chunks        int64 // as the streams have them
	NewChunks     int64 // put into packs by this run
	PlainBytes    int64
	NewPlainBytes int64 // of new chunks
	Packs         int64 // stored by this run
	NewBytes      int64 // of those packs, as stored
}

var (
	errAborted      = errors.New("the pack writer was aborted")
	errClosed       = errors.New("the pack writer is closed")
	errStreamClosed = errors.New("the stream is closed")
)

const (
	defaultPackSize = 8 << 20
	maxPackSize     = 16 << 20 // keeps a padded pack far below MaxPack
)

// NewWriter starts a Writer. When ctx ends, so does everything it does.
func NewWriter(ctx context.Context, o WriterOptions) (*Writer, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("starting a pack writer: %w", err)
	}
	c, err := newCutter(o.Key, o.Chunking)
	if err != nil {
		return nil, fmt.Errorf("starting a pack writer: %w", err)
	}
	workers := make([]*worker, o.Workers)
	for i := range workers {
		if workers[i], err = newWorker(o); err != nil {
			return nil, fmt.Errorf("starting a pack writer: %w", err)
		}
	}
	inflight := 2*o.Workers + 1
	w := &Writer{
		o: o, parent: ctx, cutter: c, index: newIndex(),
		jobs:     make(chan *segment, inflight),
		inflight: make(chan struct{}, inflight),
		segments: make(chan *segment, inflight),
		bodies:   make(chan []byte, o.Puts+len(Writer{}.slots)),
		puts:     make(chan struct{}, o.Puts),
	}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	context.AfterFunc(w.ctx, w.index.wake)
	for range cap(w.bodies) {
		w.bodies <- nil // grows when it is first used
	}
	for _, k := range workers {
		k.w = w
		w.workers.Go(k.run)
	}
	return w, nil
}

func (o WriterOptions) complete() (WriterOptions, error) {
	if o.Recipient == nil || o.Put == nil {
		return o, errors.New("no recipient or no Put given")
	}
	if o.Chunking == (Chunking{}) {
		o.Chunking = DefaultChunking
	}
	if o.Level == 0 {
		o.Level = zstd.SpeedFastest
	}
	if o.PackSize == 0 {
		o.PackSize = defaultPackSize
	}
	if o.Workers == 0 {
		o.Workers = min(runtime.GOMAXPROCS(0), 8) // each takes memory, and the store is the limit by then
	}
	if o.Puts == 0 {
		o.Puts = 3
	}
	if o.PackSize < 0 || o.PackSize > maxPackSize {
		return o, fmt.Errorf("pack size of %d bytes: outside 1 to %d", o.PackSize, maxPackSize)
	}
	if o.Workers < 0 || o.Puts < 0 {
		return o, fmt.Errorf("%d workers and %d puts: less than one", o.Workers, o.Puts)
	}
	return o, o.Chunking.Check()
}

// Stream opens a stream. Several may be open at once, each for one goroutine.
func (w *Writer) Stream() *Stream {
	if err := w.enter(); err != nil {
		return &Stream{w: w, err: err}
	}
	return newStream(w)
}

// enter counts one more that has to leave before Close.
func (w *Writer) enter() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return cmp.Or(w.failure(), errClosed)
	}
	w.open++
	return nil
}

func (w *Writer) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
}

// Close stores the open packs, waits for every Put and returns the pack table that all Refs
// point into: new packs and those of reused chunks. Every stream must have been closed.
func (w *Writer) Close() ([]Info, error) {
	w.ending.Lock()
	defer w.ending.Unlock()
	if err := w.shut(); err != nil {
		w.wait()
		return nil, err
	}
	close(w.jobs)
	w.workers.Wait()
	for i := range w.slots {
		if p := w.slots[i].p; p != nil {
			w.store(p)
		}
	}
	w.finishing.Wait()
	if err := w.failure(); err != nil {
		return nil, err
	}
	w.cancel(errClosed)
	return w.table.rows, nil
}

// shut lets no new stream begin.
func (w *Writer) shut() error {
	if err := w.failure(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open > 0 {
		w.fail(fmt.Errorf("closing the pack writer: %d streams are still open", w.open))
		return w.failure()
	}
	w.closed = true
	return nil
}

// Abort stops everything and waits for it. After Close, or a second time, it does nothing.
func (w *Writer) Abort() {
	w.cancel(errAborted)
	w.ending.Lock()
	defer w.ending.Unlock()
	w.wait()
}

func (w *Writer) wait() {
	w.workers.Wait()
	w.finishing.Wait()
}

// Stats may be called at any time.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

func (w *Writer) count(s Stats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Chunks += s.Chunks
	w.stats.NewChunks += s.NewChunks
	w.stats.PlainBytes += s.PlainBytes
	w.stats.NewPlainBytes += s.NewPlainBytes
	w.stats.Packs += s.Packs
	w.stats.NewBytes += s.NewBytes
}

// fail stops everything because of err, unless something failed before.
func (w *Writer) fail(err error) { w.cancel(err) }

// failure returns what stopped the Writer, or nil. The cause of a context need not match its
// error (a signal's does not), and callers tell an interruption by the latter.
func (w *Writer) failure() error {
	if w.ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(w.ctx)
	if end := w.parent.Err(); end != nil && cause == context.Cause(w.parent) && !errors.Is(cause, end) {
		return fmt.Errorf("%w: %w", end, cause)
	}
	return cause
}
