package pack

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"sync"
	"testing"
)

// FuzzDecrypt feeds Decrypt both raw files and plaintexts of good age files.
func FuzzDecrypt(f *testing.F) {
	id := testIdentity()
	good, err := Encrypt([]byte("a document"), id.Recipient())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("age-encryption.org/v1\n-> X25519 \n"))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x01, 0x09, 0x00, 0x00, 'a'})
	f.Add([]byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		if got, err := Decrypt(bytes.NewReader(b), limit, id); err != nil && got != nil || len(got) > limit {
			t.Fatalf("%d bytes and %v", len(got), err)
		}
		if got, err := Decrypt(bytes.NewReader(mustEncrypt(t, b)), limit, id); err != nil && got != nil || len(got) > limit {
			t.Fatalf("%d bytes and %v", len(got), err)
		}
	})
}

// FuzzRefs reads whatever refs CheckRefs lets through: the result is an error or exactly the
// bytes that were asked for, and never a panic.
func FuzzRefs(f *testing.F) {
	shelf, packs := fuzzShelf()
	f.Add([]byte{})
	f.Add(make([]byte, 16))
	f.Add(binary.LittleEndian.AppendUint32(make([]byte, 12), 5000))
	f.Add(bytes.Repeat([]byte{255}, 48))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var refs []Ref
		total := int64(0)
		for ; len(b) >= 16; b = b[16:] {
			c := Ref{
				Pack: binary.LittleEndian.Uint32(b), Offset: binary.LittleEndian.Uint32(b[4:]),
				Length: binary.LittleEndian.Uint32(b[8:]), Plain: binary.LittleEndian.Uint32(b[12:]),
			}
			refs = append(refs, c)
			total += int64(c.Plain)
		}
		r, err := NewReader(ReaderOptions{Identity: testIdentity(), Packs: packs, Fetch: shelf})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []io.ReadCloser{
			r.Open(context.Background(), refs),
			r.OpenRange(context.Background(), refs, 0, total),
		} {
			n, err := io.Copy(io.Discard, in)
			if err == nil && (r.CheckRefs(refs) != nil || n != total) {
				t.Fatalf("%d of %d bytes without an error", n, total)
			}
			if err := in.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

var fuzzShelf = sync.OnceValues(func() (*shelf, []Info) {
	s := newShelf()
	w, err := NewWriter(context.Background(), s.small())
	if err != nil {
		panic(err)
	}
	stream := w.Stream()
	if _, err := stream.Write(rows(1, 100_000)); err != nil {
		panic(err)
	}
	if _, err := stream.Close(); err != nil {
		panic(err)
	}
	packs, err := w.Close()
	if err != nil {
		panic(err)
	}
	return s, packs
})
