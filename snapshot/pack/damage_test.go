package pack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"filippo.io/age"
)

// wantDamage reads a stream, whole and chunk by chunk as ranges, that cannot be read because
// of one pack.
func wantDamage(t *testing.T, shelf *shelf, s Sealed, packs []Info, bad Sum, ranges bool) {
	t.Helper()
	r := shelf.reader(t, packs)
	_, err := read(r, s)
	if !names(err, bad) {
		t.Errorf("Open returned %v, want damage of %x", err, bad[:4])
	}
	if !ranges {
		return
	}
	in := r.OpenRange(context.Background(), s.Chunks, 0, s.Bytes)
	defer in.Close()
	if _, err = io.ReadAll(in); !names(err, bad) {
		t.Errorf("OpenRange returned %v, want damage of %x", err, bad[:4])
	}
}

func names(err error, pack Sum) bool {
	var d *Damage
	return errors.Is(err, ErrDamaged) && errors.As(err, &d) && d.Pack == pack
}

func TestFlippedBitIsDamage(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, p := range packs {
		whole := shelf.packs[p.Sum]
		for _, bit := range []int{0, 8 * 100, 8*len(whole) - 1, random.IntN(8 * len(whole)), random.IntN(8 * len(whole))} {
			shelf.packs[p.Sum] = flip(whole, bit)
			wantDamage(t, shelf, s, packs, p.Sum, false)
		}
		shelf.packs[p.Sum] = whole
	}
}

// A range reads only the blocks it needs, so what it does not read may be damaged. What it
// hands out must be right all the same.
func TestRangesNeverReturnWrongBytes(t *testing.T) {
	shelf, s, packs, data := stored(t)
	r := shelf.reader(t, packs)
	random := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 80 {
		p := packs[random.IntN(len(packs))].Sum
		whole := shelf.packs[p]
		shelf.packs[p] = flip(whole, random.IntN(8*len(whole)))
		in := r.OpenRange(context.Background(), s.Chunks, 0, s.Bytes)
		got, err := io.ReadAll(in)
		if err != nil && !names(err, p) {
			t.Errorf("OpenRange returned %v, want damage of %x", err, p[:4])
		}
		if err == nil && len(got) != len(data) || !bytes.HasPrefix(data, got) {
			t.Fatal("OpenRange returned wrong bytes")
		}
		if err != nil {
			found++
		}
		shelf.packs[p] = whole
	}
	if found < 60 {
		t.Errorf("%d of 80 flipped bits were found", found)
	}
}

func TestTruncatedLongerAndMissingPacksAreDamage(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	for i, p := range packs {
		whole := shelf.packs[p.Sum]
		for _, n := range []int{0, 1, 200, len(whole) / 2, len(whole) - 1} {
			shelf.packs[p.Sum] = whole[:n]
			wantDamage(t, shelf, s, packs, p.Sum, true)
		}
		shelf.packs[p.Sum] = append(bytes.Clone(whole), 0)
		wantDamage(t, shelf, s, packs, p.Sum, false)
		delete(shelf.packs, p.Sum)
		wantDamage(t, shelf, s, packs, p.Sum, true)
		shelf.packs[p.Sum] = whole
		if i == 3 {
			break
		}
	}
}

// Stores have no common word for a range that begins after the end of an object.
func TestTruncatedPackOfManyBlocksIsDamageToARange(t *testing.T) {
	shelf := newShelf()
	o := shelf.small()
	o.PackSize = 512 << 10
	sealed, packs, _ := write(t, o, noise(1, 1<<20))
	for _, p := range packs {
		whole := shelf.packs[p.Sum]
		shelf.packs[p.Sum] = whole[:len(whole)/2]
		wantDamage(t, shelf, sealed[0], packs, p.Sum, true)
		shelf.packs[p.Sum] = whole
	}
}

func TestSwappedPacksAreDamage(t *testing.T) {
	shelf, s, packs, _ := stored(t)
	a, b := packs[s.Chunks[0].Pack].Sum, packs[len(packs)-1].Sum
	if a == b {
		b = packs[0].Sum
	}
	swapped := newShelf()
	for sum, body := range shelf.packs {
		swapped.packs[sum] = body
	}
	swapped.packs[a], swapped.packs[b] = shelf.packs[b], shelf.packs[a]
	for range 10 {
		wantDamage(t, swapped, s, packs, a, false)
	}
	in := swapped.reader(t, packs).OpenRange(context.Background(), s.Chunks, 0, s.Bytes)
	defer in.Close()
	if _, err := io.ReadAll(in); !names(err, a) && !names(err, b) {
		t.Errorf("OpenRange returned %v", err)
	}
}

// Someone who writes to the store can encrypt to the epoch and forge a whole pack, of the
// same size and with frames in the same places. A whole read finds it by the table; a range,
// which hashes no packs, by the chunk ids.
func TestForgedPackIsDamage(t *testing.T) {
	shelf := newShelf()
	sealed, packs, _ := write(t, shelf.small(), noise(1, 1<<20)) // which zstd stores as it is
	c := sealed[0].Chunks[0]
	bad := packs[c.Pack]
	in, err := age.Decrypt(bytes.NewReader(shelf.packs[bad.Sum]), testIdentity())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	plain[c.Offset+c.Length-1] ^= 1
	forged := mustEncrypt(t, plain)
	if int64(len(forged)) != bad.Size {
		t.Fatalf("forged %d bytes instead of %d", len(forged), bad.Size)
	}
	shelf.packs[bad.Sum] = forged
	wantDamage(t, shelf, sealed[0], packs, bad.Sum, true)
	part := shelf.reader(t, packs).OpenRange(context.Background(), sealed[0].Chunks, 0, 10)
	defer part.Close()
	if got, err := io.ReadAll(part); !names(err, bad.Sum) || len(got) > 0 {
		t.Errorf("OpenRange returned %d bytes and %v", len(got), err)
	}
}
