package dir_test

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"holdfast/snapshot"
	"holdfast/snapshot/store/dir"
)

func BenchmarkPutPack(b *testing.B) {
	s, err := dir.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	body := make([]byte, 8<<20)
	sum := sha256.Sum256(body)
	b.SetBytes(int64(len(body)))
	for i := 0; b.Loop(); i++ {
		if err := s.Put(b.Context(), "packs/"+strconv.Itoa(i), body, snapshot.PutOptions{SHA256: sum}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList10000(b *testing.B) {
	const objects = 10_000
	path := b.TempDir()
	for i := range objects { // without Put, which waits for the disk
		folder := filepath.Join(path, "snapshots", strconv.Itoa(i))
		if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, "manifest"), nil, 0o600)); err != nil {
			b.Fatal(err)
		}
	}
	s, err := dir.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		n := 0
		for _, err := range s.List(b.Context(), "snapshots/") {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != objects {
			b.Fatalf("listed %d", n)
		}
	}
}
