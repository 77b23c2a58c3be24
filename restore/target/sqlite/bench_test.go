package sqlite_test

import (
	"path/filepath"
	"testing"

	"holdfast/fixtures/vaultc"
	target "holdfast/restore/target/sqlite"
)

func BenchmarkLoad(b *testing.B) {
	_, d := vault(b, vaultc.Options{Secrets: 100_000})
	for _, rehearse := range []bool{false, true} {
		name := "place"
		if rehearse {
			name = "rehearse"
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(d.infos[0].Bytes)
			for b.Loop() {
				tt := &target.Target{Path: filepath.Join(b.TempDir(), "v.db"), Rehearse: rehearse}
				if _, err := tt.Load(b.Context(), d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
