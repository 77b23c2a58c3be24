package pack

import (
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"

	"github.com/klauspost/compress/zstd"
)

// A worker turns the chunks of one segment after another into Refs.
type worker struct {
	w      *Writer
	ids    *ids
	zstd   *zstd.Encoder
	frame  []byte
	random *rand.ChaCha8
}

func newWorker(o WriterOptions) (*worker, error) {
	names, err := newIDs(o.Key)
	if err != nil {
		return nil, err
	}
	// No checksum in the frames: age authenticates them, the pack's name covers the stored
	// bytes, and the stream's digest what comes out of them.
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(o.Level),
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(MaxChunk),
		zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("setting up zstd: %w", err)
	}
	var seed [32]byte
	crand.Read(seed[:]) // never fails (crypto/rand)
	return &worker{ids: names, zstd: enc, random: rand.NewChaCha8(seed)}, nil
}

func (k *worker) run() {
	for {
		select {
		case <-k.w.ctx.Done():
			return
		case seg, more := <-k.w.jobs:
			if !more {
				return
			}
			if err := k.segment(seg); err != nil {
				k.w.cancel(err)
				return
			}
		}
	}
}

func (k *worker) segment(seg *segment) error {
	seg.stream.digest()
	var did Stats
	begin := 0
	for i, end := range seg.ends {
		plain := seg.buf[begin:end]
		begin = end
		ref, stored, err := k.chunk(plain)
		if err != nil {
			return err
		}
		seg.refs[i] = ref
		did.Chunks++
		did.PlainBytes += int64(len(plain))
		if stored {
			did.NewChunks++
			did.NewPlainBytes += int64(len(plain))
		}
	}
	k.w.count(did)
	k.w.release(seg)
	return nil
}

// chunk finds out where a chunk is stored, or puts it into a pack.
func (k *worker) chunk(plain []byte) (ref Ref, stored bool, err error) {
	id := k.ids.of(plain)
	at, mine, err := k.w.index.claim(k.w.ctx, id)
	if err != nil {
		return Ref{}, false, err
	}
	if mine {
		if at, stored, err = k.place(id, plain); err != nil {
			return Ref{}, false, err
		}
		k.w.index.settle(id, at)
	}
	ref = Ref{Pack: at.pack, Offset: at.offset, Length: at.length, Plain: uint32(len(plain)), ID: id}
	return ref, stored, nil
}

// place settles a chunk that this run has not met before.
func (k *worker) place(id ID, plain []byte) (at spot, stored bool, err error) {
	if at, ok := k.w.reuse(id, len(plain)); ok {
		return at, false, nil
	}
	k.frame = k.zstd.EncodeAll(plain, k.frame[:0])
	c := Chunk{ID: id, Length: uint32(len(k.frame)), Plain: uint32(len(plain))}
	at, err = k.w.append(c, k.frame, k.random.Uint64())
	return at, true, err
}

// reuse finds a chunk that an earlier run stored. A place that does not fit the chunk is as
// good as none.
func (w *Writer) reuse(id ID, plain int) (spot, bool) {
	if w.o.Known == nil {
		return spot{}, false
	}
	p, ok := w.o.Known(id)
	if !ok || int64(p.Plain) != int64(plain) {
		return spot{}, false
	}
	row, ok := w.table.reuse(p)
	return spot{row, p.Offset, p.Length}, ok
}
