package pack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// ReaderOptions say what a Reader reads. All but Window are required; Key only by OpenRange.
type ReaderOptions struct {
	Identity age.Identity // the epoch's
	Key      Key
	Packs    []Info // the table that Refs index
	Fetch    Fetcher
	Window   int // decrypted packs kept at once; zero: as many as fit in 48 MiB
}

// A Reader reads streams out of packs. Its methods may be called concurrently; what it opens
// shares one window of decrypted packs. It holds no goroutine of its own.
//
// Memory: the window, and for each Open about 4 MiB of decompressed chunks.
type Reader struct {
	o      ReaderOptions
	zstd   *zstd.Decoder
	window *window
}

const defaultWindow = 48 << 20

// NewReader checks the table, which may be hostile, and returns a Reader.
func NewReader(o ReaderOptions) (*Reader, error) {
	if o.Identity == nil || o.Fetch == nil {
		return nil, errors.New("starting a pack reader: no identity or no Fetcher given")
	}
	largest := int64(0)
	for i, p := range o.Packs {
		if err := checkPack(p.Size); err != nil {
			return nil, fmt.Errorf("checking row %d of the pack table: %w", i, err)
		}
		largest = max(largest, p.Size)
	}
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), // DecodeAll: one goroutine each, this many at once
		zstd.WithDecoderMaxMemory(MaxChunk),
		zstd.WithDecoderMaxWindow(MaxChunk),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("starting a pack reader: setting up zstd: %w", err)
	}
	r := &Reader{o: o, zstd: dec}
	// Two packs are the least: a stream's chunks alternate between two.
	budget := max(int64(defaultWindow), 2*largest)
	if o.Window > 0 {
		budget = int64(o.Window) * largest
	}
	r.window = newWindow(o.Packs, budget, r.fetch)
	return r, nil
}

// Open reads the chunks in order, beginning with the first Read. Every pack is fetched whole,
// compared with its row of the table and decrypted before a byte of it is used; packs ahead
// are fetched while earlier chunks are read. An error matching ErrDamaged names the pack. An
// error of Fetch that does not match fs.ErrNotExist is no damage. The caller compares the
// digest of what it read, and closes the reader.
func (r *Reader) Open(ctx context.Context, chunks []Ref) io.ReadCloser {
	if err := r.CheckRefs(chunks); err != nil {
		return failed{err}
	}
	return newOpened(ctx, r, chunks)
}

// OpenRange reads length bytes from offset of the stream that chunks make. It fetches only
// the age blocks that hold them, and compares each chunk with its ID before it hands out a
// byte of it. The caller closes the reader.
func (r *Reader) OpenRange(ctx context.Context, chunks []Ref, offset, length int64) io.ReadCloser {
	if err := r.CheckRefs(chunks); err != nil {
		return failed{err}
	}
	part, skip, err := locate(chunks, offset, length)
	if err != nil {
		return failed{err}
	}
	names, err := newIDs(r.o.Key)
	if err != nil {
		return failed{err}
	}
	return &ranged{r: r, ctx: ctx, chunks: part, ids: names, skip: skip, left: length}
}

// CheckRefs checks that chunks, which may be hostile, can be in the packs of the table.
func (r *Reader) CheckRefs(chunks []Ref) error { return checkRefs(r.o.Packs, chunks) }

// decode decompresses a frame to exactly the length that its ref says. The capacity of dst,
// which is empty, is that length, so a frame that holds more is an error and not a bomb.
func (r *Reader) decode(dst, frame []byte, c Ref) ([]byte, error) {
	out, err := r.zstd.DecodeAll(frame, dst)
	if err != nil {
		return nil, r.damage(c, fmt.Errorf("decompressing the chunk at %d: %w", c.Offset, err))
	}
	if len(out) != int(c.Plain) {
		return nil, r.damage(c, fmt.Errorf("the chunk at %d has %d bytes instead of %d", c.Offset, len(out), c.Plain))
	}
	return out, nil
}

func (r *Reader) damage(c Ref, cause error) error {
	return &Damage{r.o.Packs[c.Pack].Sum, cause}
}

// failed is a reader that could not be opened.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
func (f failed) Close() error             { return nil }
