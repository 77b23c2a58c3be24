package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"

	"filippo.io/age"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A shelf keeps packs in memory, counts what is fetched, and can be told to fail.
type shelf struct {
	mu      sync.Mutex
	packs   map[Sum][]byte
	places  map[ID]Place
	puts    int
	fetches int
	bytes   int64
	failPut func(call int) error
	fetch   func(p Sum) error
}

func newShelf() *shelf {
	return &shelf{packs: make(map[Sum][]byte), places: make(map[ID]Place)}
}

func (s *shelf) put(ctx context.Context, p Stored) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	if s.failPut != nil {
		if err := s.failPut(s.puts); err != nil {
			return err
		}
	}
	if int64(len(p.Body)) != p.Size || Sum(sha256.Sum256(p.Body)) != p.Sum {
		return fmt.Errorf("pack %x does not match its name", p.Sum)
	}
	s.packs[p.Sum] = bytes.Clone(p.Body)
	for _, c := range p.Chunks {
		if _, twice := s.places[c.ID]; twice {
			return fmt.Errorf("chunk %x is stored twice", c.ID)
		}
		s.places[c.ID] = Place{Pack: p.Sum, Size: p.Size, Offset: c.Offset, Length: c.Length, Plain: c.Plain}
	}
	return nil
}

func (s *shelf) known(id ID) (Place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.places[id]
	return p, ok
}

func (s *shelf) Fetch(ctx context.Context, p Sum, offset, length int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetches++
	if s.fetch != nil {
		if err := s.fetch(p); err != nil {
			return nil, err
		}
	}
	body, ok := s.packs[p]
	if !ok {
		return nil, fmt.Errorf("getting %x: %w", p, fs.ErrNotExist)
	}
	if offset > 0 && offset >= int64(len(body)) {
		return nil, fmt.Errorf("getting %x: range begins after the end", p)
	}
	body = body[offset:]
	if length > 0 {
		body = body[:min(length, int64(len(body)))]
	}
	s.bytes += int64(len(body))
	return io.NopCloser(bytes.NewReader(body)), nil
}

func (s *shelf) stored() (n int64) {
	for _, b := range s.packs {
		n += int64(len(b))
	}
	return n
}

var (
	testKey      = Key{1, 2, 3}
	testChunking = Chunking{Min: 1 << 10, Avg: 4 << 10, Max: 16 << 10}
	testIdentity = sync.OnceValue(func() *age.X25519Identity {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			panic(err)
		}
		return id
	})
)

// small are options that make many small packs.
func (s *shelf) small() WriterOptions {
	return WriterOptions{
		Recipient: testIdentity().Recipient(), Key: testKey, Chunking: testChunking,
		PackSize: 64 << 10, Workers: 2, Put: s.put,
	}
}

// tb is what *testing.T and *rapid.T share.
type tb interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func write(t tb, o WriterOptions, streams ...[]byte) ([]Sealed, []Info, Stats) {
	t.Helper()
	w, err := NewWriter(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	var out []Sealed
	for _, b := range streams {
		s := w.Stream()
		if _, err := s.Write(b); err != nil {
			t.Fatal(err)
		}
		sealed, err := s.Close()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sealed)
	}
	packs, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out, packs, w.Stats()
}

func (s *shelf) reader(t tb, packs []Info) *Reader {
	t.Helper()
	r, err := NewReader(ReaderOptions{Identity: testIdentity(), Key: testKey, Packs: packs, Fetch: s})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// read reads a stream and compares its digest, as a caller does.
func read(r *Reader, s Sealed) ([]byte, error) {
	in := r.Open(context.Background(), s.Chunks)
	defer in.Close()
	b, err := io.ReadAll(in)
	if err != nil {
		return b, err
	}
	if sha256.Sum256(b) != s.SHA256 {
		return b, fmt.Errorf("digest of %d bytes differs", len(b))
	}
	return b, nil
}

// noise is n bytes that do not compress and are the same for the same seed, anywhere: SHA-256
// of seed and a counter, both as 64-bit big-endian numbers.
func noise(seed uint64, n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	for i := uint64(0); len(out) < n; i++ {
		var in [16]byte
		binary.BigEndian.PutUint64(in[:], seed)
		binary.BigEndian.PutUint64(in[8:], i)
		sum := sha256.Sum256(in[:])
		out = append(out, sum[:]...)
	}
	return out[:n]
}

// rows is about n bytes of a secrets table as COPY writes it: ids, paths, times and base64
// ciphertext that hardly compresses.
func rows(seed uint64, n int) []byte {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]byte, 0, n+1024)
	for i := 0; len(out) < n; i++ {
		out = fmt.Appendf(out, "%d\tpayments/team-%d/api-key-%d\t2026-11-%02d 02:%02d:17+00\t", i, r.IntN(40), i, 1+r.IntN(28), r.IntN(60))
		for range 40 {
			v := r.Uint64()
			for range 10 {
				out = append(out, digits[v&63])
				v >>= 6
			}
		}
		out = append(out, "\t{\"rotate\":90,\"owner\":\"ops\"}\n"...)
	}
	return out[:n]
}

// flip returns b with one bit changed.
func flip(b []byte, bit int) []byte {
	b = bytes.Clone(b)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}
