package files

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"holdfast/snapshot"
)

// A discarded dump costs nothing itself.
type discarded struct{}

func (discarded) About(snapshot.About) {}
func (discarded) Warn(string)          {}

func (discarded) Stream(context.Context, snapshot.Stream) (snapshot.StreamWriter, error) {
	return discarded{}, nil
}
func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) Seal(int64, any) error       { return nil }

func BenchmarkDump(b *testing.B) {
	for _, c := range []struct{ count, size int }{{4, 32 << 20}, {10_000, 700}} {
		b.Run(fmt.Sprintf("files=%d", c.count), func(b *testing.B) {
			dir := b.TempDir()
			data := make([]byte, c.size)
			rand.Read(data) // never fails (crypto/rand)
			for i := range c.count {
				must(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d", i)), data, 0o600))
			}
			b.SetBytes(int64(c.count * c.size))
			b.ReportAllocs()
			for b.Loop() {
				must(b, (&Source{Path: dir}).Dump(b.Context(), discarded{}))
			}
			b.ReportMetric(float64(c.count*b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}
