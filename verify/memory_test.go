package verify_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
	"holdfast/snapshot/pack"
)

// peakMemory is what a run may take, however large the vault: of heap in use, and of memory that
// the program holds from the system in all.
const peakMemory = 256 << 20

// TestMemoryOfASnapshotAndItsVerificationIsAConstant takes a vault of a gibibyte into a folder and
// reads it back to the last byte, with the sizes that a user has.
func TestMemoryOfASnapshotAndItsVerificationIsAConstant(t *testing.T) {
	r := testrepo.Dir(t)
	taker := r.Taker("vault", nil)
	taker.Pack, taker.LeaseTTL = pack.WriterOptions{}, snapshot.DefaultLeaseTTL
	var m *snapshot.Manifest
	var err error
	within(t, "taking", func() { m, err = taker.Take(t.Context(), large(memoryVault)) })
	if err != nil {
		t.Fatal(err)
	}
	if s := m.Totals; s.PlainBytes != memoryVault || s.NewBytes < memoryVault/8 || s.NewChunks > s.Chunks/2 {
		t.Errorf("this tests something else: %+v", s)
	}
	within(t, "verifying", func() { verifyVault(t, r, snapshot.LevelContent, false) })
}

// within fails the test if f takes more than peakMemory.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	debug.FreeOSMemory() // of what other tests left
	var heap, held uint64
	go func() {
		defer close(stopped)
		for {
			h, all := memory()
			heap, held = max(heap, h), max(held, all)
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	t.Logf("%s: peak heap %d MiB, %d MiB held in all", what, heap>>20, held>>20)
	if heap > peakMemory || held > peakMemory {
		t.Errorf("%s took %d MiB of heap and held %d MiB in all, over %d", what, heap>>20, held>>20, peakMemory>>20)
	}
}

// memory reads how much heap is in use, and what the runtime has and did not give back.
func memory() (heap, held uint64) {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64() + s[1].Value.Uint64(), s[2].Value.Uint64() - s[3].Value.Uint64()
}

// A large source is one stream of so many bytes. One mebibyte in four is new, the others are
// earlier ones again: most of a moment ago, some of long before, whose packs have to be read again.
type large int64

func (n large) Dump(ctx context.Context, d snapshot.Dump) error {
	w, err := d.Stream(ctx, snapshot.Stream{Name: "db", Size: int64(n)})
	if err != nil {
		return err
	}
	block := testrepo.Secrets(1<<20, 1)
	rng := rand.New(rand.NewPCG(1, 2))
	seen := uint64(0)
	for at := range int64(n) >> 20 {
		which := seen
		switch {
		case at%4 == 0:
			seen++
		case at%16 == 1:
			which = rng.Uint64N(seen)
		default:
			which -= 1 + rng.Uint64N(min(seen, 8))
		}
		// A number every 512 bytes makes each block its own, and costs nothing.
		for i := 0; i < len(block); i += 512 {
			binary.BigEndian.PutUint64(block[i:], (which<<11|uint64(i>>9))*0x9e3779b97f4a7c15)
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
	return w.Seal(int64(n)>>20, nil)
}
