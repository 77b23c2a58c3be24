package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

func TestDocumentComesBack(t *testing.T) {
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range [][]byte{nil, []byte("{}"), rows(1, 100_000), rows(1, 9<<20), make([]byte, 30<<20)} {
		enc, err := Encrypt(plain, hybrid.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decrypt(bytes.NewReader(enc), int64(len(plain)), hybrid)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes came back as %d: %v", len(plain), len(got), err)
		}
	}
}

func TestDocumentAboveTheLimitIsRefused(t *testing.T) {
	id := testIdentity()
	enc, err := Encrypt(make([]byte, 30<<20), id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int64{0, 1, 30<<20 - 1} {
		if got, err := Decrypt(bytes.NewReader(enc), limit, id); err == nil || got != nil || limit > 1 && !errors.Is(err, errTooLong) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
		}
	}
	endless, err := Encrypt(noise(1, 4<<20), id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decrypt(bytes.NewReader(endless), 1000, id); !errors.Is(err, errTooLong) {
		t.Errorf("a stored document far above the limit: %v", err)
	}
	padded := append(mustCompress(t, []byte("{}")), 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0x40, 0) // 4 MiB of it
	if _, err := Decrypt(bytes.NewReader(mustEncrypt(t, append(padded, make([]byte, 4<<20)...))), 1000, id); !errors.Is(err, errTooLong) {
		t.Errorf("a small document with endless padding: %v", err)
	}
}

func TestDamagedDocumentIsRefused(t *testing.T) {
	id := testIdentity()
	plain := rows(1, 300_000)
	enc, err := Encrypt(plain, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		if got, err := Decrypt(bytes.NewReader(flip(enc, random.IntN(8*len(enc)))), 1<<20, id); err == nil || got != nil {
			t.Fatal("a flipped bit went unnoticed")
		}
		if got, err := Decrypt(bytes.NewReader(enc[:random.IntN(len(enc))]), 1<<20, id); err == nil || got != nil {
			t.Fatal("a truncated document went unnoticed")
		}
	}
	if _, err := Decrypt(bytes.NewReader(append(enc, 0)), 1<<20, id); err == nil {
		t.Error("a byte too many went unnoticed")
	}
	// An age file may be whole and what is in it cut or something else.
	for name, inside := range map[string][]byte{
		"text":      []byte("not zstd"),
		"cut frame": mustCompress(t, plain)[:1000],
		"trailing":  append(mustCompress(t, plain), "and more"...),
	} {
		if _, err := Decrypt(bytes.NewReader(mustEncrypt(t, inside)), 1<<20, id); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFailedReadOfADocumentIsSaid(t *testing.T) {
	down := errors.New("connection reset")
	enc := mustEncrypt(t, append(mustCompress(t, []byte("{}")), 0x50, 0x2a, 0x4d, 0x18, 0, 0, 8, 0))
	for _, n := range []int{0, 100, len(enc)} {
		if _, err := Decrypt(io.MultiReader(bytes.NewReader(enc[:n]), iotest.ErrReader(down)), 1000, testIdentity()); !errors.Is(err, down) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func TestDocumentErrorTellsNothingOfThePlaintext(t *testing.T) {
	id := testIdentity()
	enc, err := Encrypt([]byte("hunter2 hunter2"), id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Decrypt(bytes.NewReader(enc), 3, id)
	if err == nil || strings.Contains(fmt.Sprintf("%+v", err), "hunter2") {
		t.Errorf("error: %v", err)
	}
}

func TestPaddingHidesSizes(t *testing.T) {
	for _, tt := range []struct{ n, want int64 }{{0, 0}, {1, 1}, {9, 10}, {1000, 1024 - 0}, {8 << 20, 8 << 20}, {8<<20 + 1, 8<<20 + 256<<10}} {
		if got := padme(tt.n); tt.n != 1000 && got != tt.want {
			t.Errorf("padme(%d) = %d, want %d", tt.n, got, tt.want)
		}
	}
	sizes := make(map[int64]bool)
	last := int64(0)
	for n := int64(0); n < 1<<20; n++ {
		p := paddedSize(n)
		sizes[p] = true
		if p < n+skippableHeader || p < last || float64(p) > 1.12*float64(n+skippableHeader)+1 {
			t.Fatalf("%d bytes are padded to %d", n, p)
		}
		last = p
	}
	if len(sizes) > 500 {
		t.Errorf("a million sizes become %d", len(sizes))
	}
	for _, n := range []int64{0, 1, 100, 4096, 70_000} {
		var body appender
		body.b = append(body.b, make([]byte, n)...)
		if err := writePadding(&body, n); err != nil || int64(len(body.b)) != paddedSize(n) {
			t.Errorf("%d bytes are padded to %d: %v", n, len(body.b), err)
		}
	}
}

func mustCompress(t *testing.T, b []byte) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	return enc.EncodeAll(b, nil)
}

// mustEncrypt makes an age file of b as it is.
func mustEncrypt(t *testing.T, b []byte) []byte {
	t.Helper()
	var body appender
	w, err := age.Encrypt(&body, testIdentity().Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body.b
}
