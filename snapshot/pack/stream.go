package pack

import (
	"crypto/sha256"
	"hash"
	"slices"
	"sync"
	"sync/atomic"
)

// A Stream takes the bytes of one stream, in order. It is for one goroutine.
type Stream struct {
	w       *Writer
	seg     *segment // being filled; nil if nothing waits to be cut
	refs    [][]Ref  // of each segment in order; filled in by workers
	bytes   int64
	err     error // sticky
	ended   bool  // End was called
	closing bool  // and all was handed over

	mu       sync.Mutex
	left     int // segments that workers are not done with
	idle     chan struct{}
	sum      hash.Hash
	unsummed []*segment // in order
	summing  bool
}

// Sealed describes a whole stream.
type Sealed struct {
	Bytes  int64
	SHA256 [sha256.Size]byte // of the plaintext
	Chunks []Ref
}

// A segment is a run of whole chunks of one stream on its way through the workers.
type segment struct {
	stream *Stream
	buf    []byte
	ends   []int // of its chunks in buf
	refs   []Ref
	uses   atomic.Int32 // by the stream's digest and by a worker
}

const minSegment = 1 << 20

func newStream(w *Writer) *Stream {
	return &Stream{w: w, sum: sha256.New(), idle: make(chan struct{})}
}

// Write takes p. It returns the Writer's first error as soon as there is one.
func (s *Stream) Write(p []byte) (int, error) {
	if err := s.failure(); err != nil {
		return 0, err
	}
	if s.ended {
		return 0, errStreamClosed
	}
	written := 0
	for len(p) > 0 {
		if s.seg == nil {
			s.seg = s.w.segment(s)
		}
		free := s.seg.buf[len(s.seg.buf):cap(s.seg.buf)]
		n := copy(free, p)
		s.seg.buf = s.seg.buf[:len(s.seg.buf)+n]
		p = p[n:]
		written += n
		if n == len(free) {
			if err := s.flush(false); err != nil {
				return written, err
			}
		}
	}
	s.bytes += int64(written)
	return written, nil
}

// End hands over the last bytes without waiting for what becomes of them, so that whoever wrote them
// can go on with another stream. Nothing is written after it; Close is still to be called.
func (s *Stream) End() error {
	if err := s.failure(); err != nil {
		return err
	}
	if s.ended {
		return nil
	}
	s.ended = true
	if s.seg != nil {
		if err := s.flush(true); err != nil {
			return err
		}
	}
	s.end()
	return nil
}

// Close ends the stream and waits until every chunk has its Ref. Packs may still be on their
// way then: only the Writer's Close says that they are stored.
func (s *Stream) Close() (Sealed, error) {
	if err := s.End(); err != nil {
		return Sealed{}, err
	}
	select {
	case <-s.idle:
	case <-s.w.ctx.Done():
		return Sealed{}, s.failure()
	}
	out := Sealed{Bytes: s.bytes, Chunks: slices.Concat(s.refs...)}
	s.sum.Sum(out.SHA256[:0])
	s.err = errStreamClosed
	s.w.leave()
	return out, nil
}

// failure returns what keeps the stream from going on, or nil.
func (s *Stream) failure() error {
	if s.err == nil {
		s.err = s.w.failure()
	}
	return s.err
}

// flush cuts what is in the segment and hands the chunks on. What may be only the beginning
// of a chunk moves to the next segment, unless it is the last of the stream.
func (s *Stream) flush(last bool) error {
	seg := s.seg
	s.seg = nil
	end := 0
	for end < len(seg.buf) {
		n, sure := s.w.cutter.cut(seg.buf[end:])
		if !sure && !last {
			break
		}
		end += n
		seg.ends = append(seg.ends, end)
	}
	if end < len(seg.buf) {
		s.seg = s.w.segment(s)
		s.seg.buf = append(s.seg.buf, seg.buf[end:]...)
	}
	seg.buf = seg.buf[:end]
	seg.refs = make([]Ref, len(seg.ends))
	s.refs = append(s.refs, seg.refs)
	return s.hand(seg)
}

// hand gives a segment to the workers, waiting while too many are under way.
func (s *Stream) hand(seg *segment) error {
	select {
	case s.w.inflight <- struct{}{}:
	case <-s.w.ctx.Done():
		return s.failure()
	}
	seg.uses.Store(2)
	s.mu.Lock()
	s.left++
	s.unsummed = append(s.unsummed, seg)
	s.mu.Unlock()
	s.w.jobs <- seg // has room for all that are in flight
	return nil
}

// digest adds to the stream's digest whatever is next in order, on behalf of the worker that
// calls it. If another worker is at it already, that one will do it all.
func (s *Stream) digest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.summing {
		return
	}
	s.summing = true
	for len(s.unsummed) > 0 {
		seg := s.unsummed[0]
		s.unsummed = slices.Delete(s.unsummed, 0, 1)
		s.mu.Unlock()
		s.sum.Write(seg.buf) // never fails (hash.Hash)
		s.w.release(seg)
		s.mu.Lock()
	}
	s.summing = false
}

// end marks that no more segments will come.
func (s *Stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	if s.left == 0 {
		close(s.idle)
	}
}

// done marks that one segment is digested and all its chunks have Refs.
func (s *Stream) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left--
	if s.closing && s.left == 0 {
		close(s.idle)
	}
}

// segment returns an empty segment with room for at least one whole chunk.
func (w *Writer) segment(s *Stream) *segment {
	select {
	case seg := <-w.segments:
		seg.stream = s
		return seg
	default:
		return &segment{stream: s, buf: make([]byte, 0, max(minSegment, w.o.Chunking.Max+w.o.Chunking.Avg))}
	}
}

// release drops one use of a segment. The last one recycles it.
func (w *Writer) release(seg *segment) {
	if seg.uses.Add(-1) > 0 {
		return
	}
	s := seg.stream
	seg.stream, seg.refs, seg.buf, seg.ends = nil, nil, seg.buf[:0], seg.ends[:0]
	select {
	case w.segments <- seg:
	default:
	}
	<-w.inflight
	s.done()
}
