package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

const heapLimit = 128 << 20

func TestMemoryOfAWriterIsAConstant(t *testing.T) {
	peak := peakHeap(func() { writeTicks(t, vaultSize, func(context.Context, Stored) error { return nil }) })
	t.Logf("writing: peak heap %d MiB", peak>>20)
	if peak > heapLimit {
		t.Errorf("writing %d MiB took %d MiB", vaultSize>>20, peak>>20)
	}
}

// The stream is read over and over as one of 640 MiB: its packs do not fit into the window,
// so they are fetched again each time.
func TestMemoryOfAReaderIsAConstant(t *testing.T) {
	dir := folder(t.TempDir())
	sealed, packs := writeTicks(t, 128<<20, func(_ context.Context, s Stored) error {
		return os.WriteFile(dir.path(s.Sum), s.Body, 0o600)
	})
	var chunks []Ref
	for range 5 {
		chunks = append(chunks, sealed.Chunks...)
	}
	got := sha256.New()
	peak := peakHeap(func() {
		r, err := NewReader(ReaderOptions{Identity: testIdentity(), Packs: packs, Fetch: dir})
		if err != nil {
			t.Fatal(err)
		}
		in := r.Open(context.Background(), chunks)
		defer in.Close()
		if _, err := io.Copy(got, in); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("reading: peak heap %d MiB, %d packs", peak>>20, len(packs))
	if peak > heapLimit {
		t.Errorf("reading 640 MiB took %d MiB", peak>>20)
	}
	want := sha256.New()
	for range 5 {
		if _, err := io.Copy(want, io.LimitReader(newTicker(), 128<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Error("other bytes came back")
	}
}

// writeTicks writes size bytes of a ticker.
func writeTicks(t *testing.T, size int64, put func(context.Context, Stored) error) (Sealed, []Info) {
	t.Helper()
	w, err := NewWriter(context.Background(), WriterOptions{
		Recipient: testIdentity().Recipient(), Key: testKey, Workers: 2, Put: put,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	s := w.Stream()
	if _, err := io.CopyBuffer(s, io.LimitReader(newTicker(), size), make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	packs, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return sealed, packs
}

// peakHeap samples the heap while f runs.
func peakHeap(f func()) (peak uint64) {
	runtime.GC()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		var m runtime.MemStats
		for {
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
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
	return peak
}

// A ticker is an endless stream that never repeats and costs little: half of it noise that
// does not compress, numbered so that no two chunks are equal.
type ticker struct {
	block []byte
	rest  []byte
	n     uint64
}

func newTicker() *ticker { return &ticker{block: append(rows(1, 32<<10), noise(1, 32<<10)...)} }

func (k *ticker) Read(p []byte) (int, error) {
	if len(k.rest) == 0 {
		for i := 0; i < len(k.block); i += 512 {
			k.n++
			binary.BigEndian.PutUint64(k.block[i:], k.n*0x9e3779b97f4a7c15)
		}
		k.rest = k.block
	}
	n := copy(p, k.rest)
	k.rest = k.rest[n:]
	return n, nil
}

// A folder holds packs under their names in hex.
type folder string

func (f folder) path(p Sum) string { return filepath.Join(string(f), fmt.Sprintf("%x", p)) }

func (f folder) Fetch(_ context.Context, p Sum, offset, length int64) (io.ReadCloser, error) {
	file, err := os.Open(f.path(p))
	if err != nil || length == 0 {
		return file, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(file, offset, length), file}, nil
}
