package pack

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"

	"filippo.io/age"
)

// stored writes a small stream of many packs.
func stored(t *testing.T) (*shelf, Sealed, []Info, []byte) {
	t.Helper()
	shelf, data := newShelf(), rows(7, 1<<20)
	sealed, packs, _ := write(t, shelf.small(), data)
	if len(packs) < 8 {
		t.Fatalf("%d packs are too few to mean anything", len(packs))
	}
	return shelf, sealed[0], packs, data
}

func TestLyingRefsAreNotBelieved(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	r := shelf.reader(t, packs)
	for name, change := range map[string]func(*Ref){
		"longer plaintext":  func(c *Ref) { c.Plain++ },
		"shorter plaintext": func(c *Ref) { c.Plain-- },
		"most plaintext":    func(c *Ref) { c.Plain = MaxChunk },
		"shifted":           func(c *Ref) { c.Offset++ },
		"short frame":       func(c *Ref) { c.Length-- },
		"past the frames":   func(c *Ref) { c.Offset = uint32(packs[c.Pack].Size) - c.Length },
	} {
		c := s.Chunks[3]
		change(&c)
		for kind, in := range map[string]io.ReadCloser{
			"Open":      r.Open(context.Background(), []Ref{c}),
			"OpenRange": r.OpenRange(context.Background(), []Ref{c}, 0, int64(c.Plain)),
		} {
			if _, err := io.ReadAll(in); !names(err, packs[c.Pack].Sum) {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
			in.Close()
		}
	}
}

func TestHostileRefsAreRefused(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	r := shelf.reader(t, packs)
	if err := r.CheckRefs(s.Chunks); err != nil {
		t.Errorf("good refs: %v", err)
	}
	for name, change := range map[string]func(*Ref){
		"no such pack": func(c *Ref) { c.Pack = uint32(len(packs)) },
		"largest pack": func(c *Ref) { c.Pack = math.MaxUint32 },
		"overflow":     func(c *Ref) { c.Offset, c.Length = math.MaxUint32, math.MaxUint32 },
		"wrap around":  func(c *Ref) { c.Offset, c.Length = math.MaxUint32, 2 },
		"past the end": func(c *Ref) { c.Length = uint32(packs[c.Pack].Size) - c.Offset + 1 },
		"no frame":     func(c *Ref) { c.Length = 0 },
		"no plaintext": func(c *Ref) { c.Plain = 0 },
		"bomb":         func(c *Ref) { c.Plain = MaxChunk + 1 },
	} {
		c := s.Chunks[0]
		change(&c)
		if err := r.CheckRefs([]Ref{s.Chunks[0], c}); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := io.ReadAll(r.Open(context.Background(), []Ref{c})); err == nil {
			t.Errorf("%s: opened", name)
		}
		if _, err := io.ReadAll(r.OpenRange(context.Background(), []Ref{c}, 0, 1)); err == nil {
			t.Errorf("%s: range opened", name)
		}
	}
	for _, size := range []int64{-1, 0, MaxPack + 1, math.MaxInt64} {
		if _, err := NewReader(ReaderOptions{Identity: testIdentity(), Fetch: shelf, Packs: []Info{{Size: size}}}); err == nil {
			t.Errorf("pack of %d bytes: accepted", size)
		}
	}
}

func TestNetworkErrorIsNotDamage(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	down := errors.New("connection refused")
	shelf.fetch = func(Sum) error { return down }
	r := shelf.reader(t, packs)
	for kind, in := range map[string]io.ReadCloser{
		"Open":      r.Open(context.Background(), s.Chunks),
		"OpenRange": r.OpenRange(context.Background(), s.Chunks, 0, 10),
	} {
		if _, err := io.ReadAll(in); !errors.Is(err, down) || errors.Is(err, ErrDamaged) {
			t.Errorf("%s returned %v", kind, err)
		}
		in.Close()
	}
	shelf.fetch = nil
	if _, err := read(r, s); err != nil {
		t.Errorf("the network is back: %v", err)
	}
}

// A cut connection gives io.ErrUnexpectedEOF, which io.ReadFull would make of a short object.
type cutting struct{ *shelf }

func (c cutting) Fetch(ctx context.Context, p Sum, offset, length int64) (io.ReadCloser, error) {
	in, err := c.shelf.Fetch(ctx, p, offset, length)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(io.MultiReader(io.LimitReader(in, 300), cut{})), nil
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestCutConnectionIsNotDamage(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	r, err := NewReader(ReaderOptions{Identity: testIdentity(), Key: testKey, Packs: packs, Fetch: cutting{shelf}})
	if err != nil {
		t.Fatal(err)
	}
	for kind, in := range map[string]io.ReadCloser{
		"Open":      r.Open(context.Background(), s.Chunks),
		"OpenRange": r.OpenRange(context.Background(), s.Chunks, 0, 10),
	} {
		if _, err := io.ReadAll(in); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrDamaged) {
			t.Errorf("%s returned %v", kind, err)
		}
		in.Close()
	}
}

func TestWrongIdentityIsNotDamage(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(ReaderOptions{Identity: other, Key: testKey, Packs: packs, Fetch: shelf})
	if err != nil {
		t.Fatal(err)
	}
	_, err = read(r, s)
	var wrong *age.NoIdentityMatchError
	if !errors.As(err, &wrong) || errors.Is(err, ErrDamaged) {
		t.Errorf("Open returned %v", err)
	}
}
