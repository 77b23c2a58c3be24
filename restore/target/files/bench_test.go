package files

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The trees that speed is measured on: few large files, and many small ones.
func benchmarkTrees(b *testing.B, run func(b *testing.B, d *stored)) {
	for _, c := range []struct{ count, size int }{{4, 32 << 20}, {10_000, 700}} {
		b.Run(fmt.Sprintf("files=%d", c.count), func(b *testing.B) {
			dir := b.TempDir()
			data := make([]byte, c.size)
			rand.Read(data) // never fails (crypto/rand)
			for i := range c.count {
				must(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d", i)), data, 0o600))
			}
			d := store(b, dir)
			b.SetBytes(int64(c.count * c.size))
			b.ReportAllocs()
			b.ResetTimer()
			run(b, d)
			b.ReportMetric(float64(c.count*b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	benchmarkTrees(b, func(b *testing.B, d *stored) {
		for b.Loop() {
			_, err := (Checker{}).Check(b.Context(), d)
			must(b, err)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	benchmarkTrees(b, func(b *testing.B, d *stored) {
		target := Target{Path: filepath.Join(b.TempDir(), "to"), Replace: true}
		for b.Loop() {
			_, err := target.Load(b.Context(), d)
			must(b, err)
		}
	})
}
