package sqlite_test

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"

	"holdfast/fixtures/vaultc"
	"holdfast/snapshot/source/sqlite"
	"holdfast/snapshot/source/sqlite/sqlitetest"
)

func benchVault(b *testing.B) string {
	b.Helper()
	v, err := vaultc.Generate(b.Context(), filepath.Join(b.TempDir(), "vault"), vaultc.Options{Secrets: 100_000})
	if err != nil {
		b.Fatal(err)
	}
	return v.Database
}

func BenchmarkDump(b *testing.B) {
	path := benchVault(b)
	for name, quick := range map[string]bool{"integrity_check": false, "quick_check": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				d := &sqlitetest.Recorder{To: io.Discard}
				if err := (&sqlite.Source{Path: path, Quick: quick}).Dump(b.Context(), d); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(d.Facts.Bytes())
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	var content bytes.Buffer
	d := &sqlitetest.Recorder{To: &content}
	if err := (&sqlite.Source{Path: benchVault(b), Quick: true}).Dump(b.Context(), d); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(content.Len()))
	for b.Loop() {
		if _, err := sqlite.Check(bytes.NewReader(content.Bytes()), &d.Facts); err != nil {
			b.Fatal(err)
		}
	}
}
