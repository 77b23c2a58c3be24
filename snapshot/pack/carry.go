package pack

import (
	"errors"
	"fmt"
)

// A Named is a chunk by its name and length alone, wherever it is stored.
type Named struct {
	ID    ID
	Plain uint32
}

var errNotStored = errors.New("it is stored nowhere")

// Carry adds chunks that are stored already, in order, without their bytes, and returns where
// each of them lies: where Known has it, or where this run put it. They count in Stats as a
// stream's do. Carry may be called concurrently, also while streams are written; it must have
// returned before Close. A chunk that is stored nowhere is an error, which stops the Writer.
//
// It keeps nothing but the Refs: a chunk that only Carry met is not remembered in the index of
// the run, since whoever writes it again finds it through Known as well.
func (w *Writer) Carry(chunks []Named) ([]Ref, error) {
	if err := w.enter(); err != nil {
		return nil, err
	}
	defer w.leave()
	refs := make([]Ref, len(chunks))
	did := Stats{Chunks: int64(len(chunks))}
	for i, c := range chunks {
		at, err := w.find(c)
		if err != nil {
			w.fail(fmt.Errorf("carrying chunk %d of %d over: %w", i, len(chunks), err))
			return nil, w.failure()
		}
		refs[i] = Ref{Pack: at.pack, Offset: at.offset, Length: at.length, Plain: c.Plain, ID: c.ID}
		did.PlainBytes += int64(c.Plain)
	}
	if err := w.failure(); err != nil {
		return nil, err
	}
	w.count(did)
	return refs, nil
}

// find returns where a chunk is stored. Known is asked first: what it has, this run does not
// store again.
func (w *Writer) find(c Named) (spot, error) {
	if at, ok := w.reuse(c.ID, int(c.Plain)); ok {
		return at, nil
	}
	at, ok, err := w.index.find(w.ctx, c.ID)
	if err == nil && !ok {
		err = errNotStored
	}
	return at, err
}
