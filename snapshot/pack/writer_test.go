package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func hexID(id ID) string { return hex.EncodeToString(id[:]) }

func TestWhatWasWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shelf := newShelf()
		o := shelf.small()
		o.Workers = rapid.IntRange(1, 3).Draw(t, "workers")
		o.Puts = rapid.IntRange(1, 3).Draw(t, "puts")
		o.PackSize = rapid.IntRange(1, 200_000).Draw(t, "pack size")
		var streams [][]byte
		for range rapid.IntRange(0, 4).Draw(t, "streams") {
			streams = append(streams, drawStream(t))
		}
		sealed, packs, _ := write(t, o, streams...)
		r, err := NewReader(ReaderOptions{
			Identity: testIdentity(), Packs: packs, Fetch: shelf, Window: rapid.IntRange(0, 3).Draw(t, "window"),
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range sealed {
			got, err := read(r, s)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, streams[i]) || s.Bytes != int64(len(got)) || s.SHA256 != sha256.Sum256(streams[i]) {
				t.Fatalf("stream %d of %d bytes came back as %d others", i, len(streams[i]), len(got))
			}
		}
	})
}

// drawStream makes up to 3 MiB of parts that are random, regular, zero or repeated.
func drawStream(t *rapid.T) (out []byte) {
	for range rapid.IntRange(0, 6).Draw(t, "parts") {
		n := rapid.IntRange(0, 500_000).Draw(t, "bytes")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			out = append(out, noise(rapid.Uint64Range(0, 3).Draw(t, "seed"), n)...)
		case 1:
			out = append(out, rows(rapid.Uint64Range(0, 3).Draw(t, "seed"), n)...)
		case 2:
			out = append(out, make([]byte, n)...)
		case 3:
			out = append(out, out[:min(n, len(out))]...)
		}
	}
	return out
}

func TestStreamWrittenByteWiseIsCutTheSame(t *testing.T) {
	shelf := newShelf()
	data := rows(1, 3<<20)
	w, err := NewWriter(context.Background(), shelf.small())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	s := w.Stream()
	for part := range slices.Chunk(data, 997) {
		if _, err := s.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	sealed, err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var ends []int
	end := 0
	for _, c := range sealed.Chunks {
		end += int(c.Plain)
		ends = append(ends, end)
	}
	if want := cuts(t, testKey, testChunking, data); !slices.Equal(ends, want) {
		t.Errorf("cut at %v, want %v", ends, want)
	}
}

func TestStreamsAtOnceComeBackWhole(t *testing.T) {
	shelf := newShelf()
	w, err := NewWriter(context.Background(), shelf.small())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	// Pairs of streams are equal, so the same chunks arrive at the same moment.
	sealed := make([]Sealed, 12)
	var wg sync.WaitGroup
	for i := range sealed {
		wg.Go(func() {
			s := w.Stream()
			for part := range slices.Chunk(rows(uint64(i/2), 1<<20), 10_000) {
				if _, err := s.Write(part); err != nil {
					t.Error(err)
				}
			}
			var err error
			if sealed[i], err = s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	packs, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if st := w.Stats(); st.NewPlainBytes > 6<<20 || st.PlainBytes != 12<<20 {
		t.Errorf("%+v: equal streams are stored twice", st)
	}
	r := shelf.reader(t, packs)
	for i := range sealed {
		wg.Go(func() {
			got, err := read(r, sealed[i])
			if err != nil {
				t.Error(err)
			}
			if !bytes.Equal(got, rows(uint64(i/2), 1<<20)) {
				t.Errorf("stream %d came back different", i)
			}
		})
	}
	wg.Wait()
}

func TestKnownChunksAreNotStoredAgain(t *testing.T) {
	shelf := newShelf()
	data := rows(1, 4<<20)
	_, _, first := write(t, shelf.small(), data)
	if first.NewChunks != first.Chunks || first.Packs == 0 || first.NewBytes != shelf.stored() {
		t.Fatalf("first run: %+v, stored %d", first, shelf.stored())
	}
	o := shelf.small()
	o.Known = shelf.known
	sealed, packs, again := write(t, o, data)
	if again.Packs != 0 || again.NewChunks != 0 || again.NewBytes != 0 || again.Chunks != first.Chunks {
		t.Errorf("nothing changed, and yet: %+v", again)
	}
	if got, err := read(shelf.reader(t, packs), sealed[0]); err != nil || !bytes.Equal(got, data) {
		t.Errorf("reading reused chunks: %v", err)
	}
}

func TestAppendStoresAboutTheChange(t *testing.T) {
	shelf := newShelf()
	data := rows(1, 16<<20)
	o := shelf.small()
	o.Chunking, o.PackSize = Chunking{4 << 10, 16 << 10, 64 << 10}, 0
	_, _, first := write(t, o, data)
	o.Known = shelf.known
	before := shelf.stored()
	sealed, packs, second := write(t, o, slices.Concat(data, rows(2, 160<<10)))
	change := int64(160<<10) * before / first.PlainBytes
	if second.NewBytes > change*13/10 {
		t.Errorf("appending 1 %% stored %d bytes, the change is %d", second.NewBytes, change)
	}
	if _, err := read(shelf.reader(t, packs), sealed[0]); err != nil {
		t.Error(err)
	}
}

func TestPlaceThatDoesNotFitIsIgnored(t *testing.T) {
	spoil := map[string]func(*Place){
		"another plain length": func(p *Place) { p.Plain++ },
		"no frame":             func(p *Place) { p.Length = 0 },
		"past the pack":        func(p *Place) { p.Offset = uint32(p.Size) },
		"huge pack":            func(p *Place) { p.Size = MaxPack + 1 },
		"no pack":              func(p *Place) { p.Size = 0 },
	}
	for name, change := range spoil {
		t.Run(name, func(t *testing.T) {
			data := rows(1, 1<<20)
			shelf := newShelf()
			write(t, shelf.small(), data)
			places := shelf.places
			shelf.places = make(map[ID]Place)
			o := shelf.small()
			o.Known = func(id ID) (Place, bool) {
				p, ok := places[id]
				change(&p)
				return p, ok
			}
			sealed, packs, st := write(t, o, data)
			if st.NewChunks != st.Chunks {
				t.Errorf("%d of %d chunks are stored", st.NewChunks, st.Chunks)
			}
			if _, err := read(shelf.reader(t, packs), sealed[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPlacesThatDisagreeAboutAPackAreIgnored(t *testing.T) {
	shelf := newShelf()
	data := rows(1, 1<<20)
	write(t, shelf.small(), data)
	places, n := shelf.places, int64(0)
	shelf.places = make(map[ID]Place)
	o := shelf.small()
	o.Workers = 1
	o.Known = func(id ID) (Place, bool) {
		p, ok := places[id]
		n++
		p.Size += n
		return p, ok
	}
	_, packs, st := write(t, o, data)
	if st.NewChunks < st.Chunks*3/4 {
		t.Errorf("%d of %d chunks are stored", st.NewChunks, st.Chunks)
	}
	seen := make(map[Sum]bool)
	for _, p := range packs {
		if seen[p.Sum] {
			t.Errorf("pack %x is in the table twice", p.Sum)
		}
		seen[p.Sum] = true
	}
}

func TestPutsAreBounded(t *testing.T) {
	shelf := newShelf()
	o := shelf.small()
	o.Puts = 2
	var mu sync.Mutex
	now, most := 0, 0
	o.Put = func(ctx context.Context, s Stored) error {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		return shelf.put(ctx, s)
	}
	write(t, o, noise(1, 4<<20))
	if most != 2 {
		t.Errorf("%d puts at once, want 2", most)
	}
}

func TestChunksAreSpreadOverTwoPacks(t *testing.T) {
	shelf := newShelf()
	sealed, _, _ := write(t, shelf.small(), noise(1, 4<<20))
	switches, chunks := 0, sealed[0].Chunks
	for i := range chunks[1:] {
		if chunks[i].Pack != chunks[i+1].Pack {
			switches++
		}
	}
	if switches < len(chunks)/3 {
		t.Errorf("%d of %d chunks are in another pack than the one before", switches, len(chunks))
	}
}
