package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// named is what a later run keeps of a stream's chunks.
func named(s Sealed) []Named {
	names := make([]Named, len(s.Chunks))
	for i, c := range s.Chunks {
		names[i] = Named{c.ID, c.Plain}
	}
	return names
}

func TestCarriedChunksComeOutAsTheyWentIn(t *testing.T) {
	shelf := newShelf()
	data := rows(1, 2<<20)
	sealed, before, first := write(t, shelf.small(), data)
	o := shelf.small()
	o.Known = shelf.known
	w, err := NewWriter(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	refs, err := w.Carry(named(sealed[0]))
	if err != nil {
		t.Fatal(err)
	}
	packs, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if st := w.Stats(); st != (Stats{Chunks: first.Chunks, PlainBytes: first.PlainBytes}) {
		t.Errorf("carried %+v of %+v", st, first)
	}
	if len(packs) != len(before) {
		t.Errorf("%d packs are needed, %d were before", len(packs), len(before))
	}
	carried := Sealed{Chunks: refs, SHA256: sealed[0].SHA256}
	if got, err := read(shelf.reader(t, packs), carried); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes: %v", len(got), len(data), err)
	}
}

// TestChunksAreCarriedWhileOthersAreWritten has everything at once: streams that are carried,
// equal ones that are written, new ones, and new ones again by the names of their chunks.
func TestChunksAreCarriedWhileOthersAreWritten(t *testing.T) {
	shelf := newShelf()
	old := [][]byte{rows(1, 1<<20), rows(2, 1<<20), rows(3, 1<<20)}
	sealed, _, _ := write(t, shelf.small(), old...)
	o := shelf.small()
	before := maps.Clone(shelf.places) // what a run knows is settled when it begins
	o.Known = func(id ID) (Place, bool) { p, ok := before[id]; return p, ok }
	w, err := NewWriter(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	var mu sync.Mutex
	type stream struct {
		sealed Sealed
		data   []byte
	}
	var all []stream
	keep := func(refs []Ref, data []byte) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, stream{Sealed{Chunks: refs, SHA256: sha256.Sum256(data)}, data})
	}
	carry := func(s Sealed, data []byte) {
		refs, err := w.Carry(named(s))
		if err != nil {
			t.Error(err)
		}
		keep(refs, data)
	}
	put := func(data []byte) Sealed {
		s := w.Stream()
		if _, err := s.Write(data); err != nil {
			t.Error(err)
		}
		out, err := s.Close()
		if err != nil {
			t.Error(err)
		}
		keep(out.Chunks, data)
		return out
	}
	var wg sync.WaitGroup
	for i, data := range old {
		wg.Go(func() { carry(sealed[i], data) })
		wg.Go(func() { put(data) })
		wg.Go(func() {
			fresh := rows(uint64(10+i), 1<<20)
			carry(put(fresh), fresh)
		})
	}
	wg.Wait()
	packs, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if st := w.Stats(); st.PlainBytes != 12<<20 || st.NewPlainBytes != 3<<20 {
		t.Errorf("%+v", st)
	}
	seen := map[Sum]bool{}
	for _, p := range packs {
		if seen[p.Sum] {
			t.Errorf("pack %x has two rows", p.Sum)
		}
		seen[p.Sum] = true
	}
	r := shelf.reader(t, packs)
	for i, s := range all {
		if got, err := read(r, s.sealed); err != nil || !bytes.Equal(got, s.data) {
			t.Errorf("stream %d: %d of %d bytes, %v", i, len(got), len(s.data), err)
		}
	}
}

func TestWhatIsNotStoredIsNotCarried(t *testing.T) {
	shelf := newShelf()
	sealed, _, _ := write(t, shelf.small(), rows(1, 100<<10))
	stored := named(sealed[0])
	longer := named(sealed[0])
	longer[1].Plain++
	tests := map[string][]Named{
		"unknown":        append(named(sealed[0]), Named{ID{1}, 100}),
		"another length": longer,
	}
	for name, chunks := range tests {
		t.Run(name, func(t *testing.T) {
			o := shelf.small()
			o.Known = shelf.known
			w, err := NewWriter(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Abort()
			if _, err := w.Carry(chunks); !errors.Is(err, errNotStored) {
				t.Errorf("carrying: %v", err)
			}
			if _, err := w.Carry(stored); !errors.Is(err, errNotStored) {
				t.Errorf("carrying after that: %v", err)
			}
			if _, err := w.Close(); !errors.Is(err, errNotStored) {
				t.Errorf("closing: %v", err)
			}
		})
	}
}

func TestAClosedWriterCarriesNothing(t *testing.T) {
	shelf := newShelf()
	w, err := NewWriter(context.Background(), shelf.small())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Carry(nil); !errors.Is(err, errClosed) {
		t.Errorf("carrying: %v", err)
	}
}

// TestCarryWaitsForAChunkOnItsWay lets another claim a chunk, as a worker does that compresses it:
// who carries it over waits until it is settled, or until everything ends.
func TestCarryWaitsForAChunkOnItsWay(t *testing.T) {
	boom := errors.New("the store is gone")
	for name, tt := range map[string]struct {
		then func(w *Writer)
		want []Ref
		err  error
	}{
		"settled": {func(w *Writer) { w.index.settle(ID{1}, spot{0, 7, 50}) }, []Ref{{Offset: 7, Length: 50, Plain: 100, ID: ID{1}}}, nil},
		"failed":  {func(w *Writer) { w.fail(boom) }, nil, boom},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, err := NewWriter(t.Context(), newShelf().small())
				if err != nil {
					t.Fatal(err)
				}
				defer w.Abort()
				if _, _, err := w.index.claim(w.ctx, ID{1}); err != nil {
					t.Fatal(err)
				}
				var refs []Ref
				done := make(chan error, 1)
				go func() {
					var err error
					refs, err = w.Carry([]Named{{ID{1}, 100}})
					done <- err
				}()
				synctest.Wait()
				tt.then(w)
				if err := <-done; !errors.Is(err, tt.err) || !slices.Equal(refs, tt.want) {
					t.Errorf("got %+v, %v", refs, err)
				}
			})
		})
	}
}
