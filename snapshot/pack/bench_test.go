package pack

import (
	"context"
	"crypto/sha256"
	"io"
	"sync"
	"testing"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

var benchRows = sync.OnceValue(func() []byte { return rows(1, 64<<20) })

func BenchmarkCut(b *testing.B) {
	c, err := newCutter(testKey, DefaultChunking)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(benchRows())))
	for b.Loop() {
		for p := benchRows(); len(p) > 0; {
			n, _ := c.cut(p)
			p = p[n:]
		}
	}
}

func BenchmarkID(b *testing.B) {
	i, err := newIDs(testKey)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(64 << 10)
	b.ReportAllocs()
	for b.Loop() {
		i.of(benchRows()[:64<<10])
	}
}

func BenchmarkSHA256(b *testing.B) {
	b.SetBytes(8 << 20)
	for b.Loop() {
		sha256.Sum256(benchRows()[:8<<20])
	}
}

func BenchmarkCompress(b *testing.B) {
	k, err := newWorker(WriterOptions{Key: testKey, Level: zstd.SpeedFastest})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(8 << 20)
	b.ReportAllocs()
	for b.Loop() {
		for off := 0; off < 8<<20; off += 64 << 10 {
			k.frame = k.zstd.EncodeAll(benchRows()[off:off+64<<10], k.frame[:0])
		}
	}
}

func BenchmarkEncrypt(b *testing.B) {
	body := make([]byte, 0, 9<<20)
	b.SetBytes(8 << 20)
	b.ReportAllocs()
	for b.Loop() {
		a := appender{body[:0]}
		w, err := age.Encrypt(&a, testIdentity().Recipient())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(benchRows()[:8<<20]); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	b.Run("new", func(b *testing.B) { benchmarkWriter(b, nil) })
	shelf := newShelf()
	o := WriterOptions{Recipient: testIdentity().Recipient(), Key: testKey, Put: shelf.put}
	write(b, o, benchRows())
	b.Run("unchanged", func(b *testing.B) { benchmarkWriter(b, shelf.known) })
}

func benchmarkWriter(b *testing.B, known func(ID) (Place, bool)) {
	o := WriterOptions{
		Recipient: testIdentity().Recipient(), Key: testKey, Known: known,
		Put: func(context.Context, Stored) error { return nil },
	}
	b.SetBytes(int64(len(benchRows())))
	b.ReportAllocs()
	for b.Loop() {
		write(b, o, benchRows())
	}
}

func BenchmarkReader(b *testing.B) {
	shelf := newShelf()
	o := WriterOptions{Recipient: testIdentity().Recipient(), Key: testKey, Put: shelf.put}
	sealed, packs, _ := write(b, o, benchRows())
	b.SetBytes(int64(len(benchRows())))
	b.ReportAllocs()
	for b.Loop() {
		in := shelf.reader(b, packs).Open(context.Background(), sealed[0].Chunks)
		if _, err := io.Copy(io.Discard, in); err != nil {
			b.Fatal(err)
		}
		if err := in.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
