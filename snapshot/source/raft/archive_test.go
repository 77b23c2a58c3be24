package raft

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"holdfast/snapshot/source/raft/archive"
)

// members are those of an archive whose state.bin is what write writes, the same every time.
func members(t testing.TB, write func(io.Writer) error) []archive.Member {
	t.Helper()
	var size counter
	sum := sha256.New()
	must(t, write(io.MultiWriter(&size, sum)))
	meta := fmt.Sprintf(`{"Version":1,"ID":"bolt-snapshot","Index":7,"Term":3,"Size":%d}`, size)
	sums := fmt.Sprintf("%s  %s\n%x  %s\n", hexSum([]byte(meta)), MetaName, sum.Sum(nil), StateName)
	return []archive.Member{
		member(MetaName, meta),
		{Name: StateName, Size: int64(size), Open: func() (io.ReadCloser, error) {
			pr, pw := io.Pipe()
			go func() { pw.CloseWithError(write(pw)) }()
			return pr, nil
		}},
		member(SumsName, sums),
		member(SealedName, "sealed"),
	}
}

func member(name, text string) archive.Member {
	return archive.Member{Name: name, Size: int64(len(text)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// storage returns what writes a state.bin of n entries of 4 KiB, which compress as little as encrypted ones
// with their keys do.
func storage(n int) func(io.Writer) error {
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	for i := range noise {
		noise[i] &= 0x7f
	}
	return func(w io.Writer) error {
		var entry, record []byte
		for i := range n {
			at := i * 7919 % (len(noise) - 4096)
			entry = protowire.AppendTag(entry[:0], 1, protowire.BytesType)
			entry = protowire.AppendString(entry, fmt.Sprintf("logical/0b6f0f4c-1d2e-4f3a-8b5c-6d7e8f9a0b1c/key-%09d", i))
			entry = protowire.AppendTag(entry, 2, protowire.BytesType)
			entry = protowire.AppendBytes(entry, noise[at:at+4096])
			record = append(binary.AppendUvarint(record[:0], uint64(len(entry))), entry...)
			if _, err := w.Write(record); err != nil {
				return err
			}
		}
		return nil
	}
}

func packed(t testing.TB, list []archive.Member) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, archive.Write(&b, list))
	return b.Bytes()
}
