package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"filippo.io/age"
)

// fetch gets a whole pack into buf, whose length is the pack's size, proves that it is the
// one, and decrypts it in place.
func (r *Reader) fetch(ctx context.Context, p Info, buf []byte) ([]byte, error) {
	body, err := r.request(ctx, p, 0, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	n, err := readFull(body, buf)
	if err != nil {
		return nil, fmt.Errorf("fetching pack %x: %w", p.Sum, err)
	}
	if n < len(buf) {
		return nil, &Damage{p.Sum, fmt.Errorf("%d of its %d bytes are there", n, p.Size)}
	}
	var more [1]byte
	if n, err = readFull(body, more[:]); err != nil {
		return nil, fmt.Errorf("fetching pack %x: %w", p.Sum, err)
	}
	if n > 0 {
		return nil, &Damage{p.Sum, fmt.Errorf("longer than its %d bytes", p.Size)}
	}
	if sha256.Sum256(buf) != p.Sum {
		return nil, &Damage{p.Sum, errSum}
	}
	return r.decrypt(p, buf)
}

// decrypt turns a pack into its plaintext in the same bytes. That is safe because age reads
// and opens a block of 64 KiB before it writes it, and a plaintext block always lies before
// its encrypted one, which follows a header and a tag for every block so far.
func (r *Reader) decrypt(p Info, buf []byte) ([]byte, error) {
	src, size, err := age.DecryptReaderAt(bytes.NewReader(buf), p.Size, r.o.Identity)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf("decrypting pack %x: %w", p.Sum, err) // the pack is what it was
	}
	if err != nil {
		return nil, &Damage{p.Sum, fmt.Errorf("decrypting: %w", err)}
	}
	n, err := src.ReadAt(buf[:size], 0)
	if int64(n) < size || err != nil && err != io.EOF {
		return nil, &Damage{p.Sum, fmt.Errorf("decrypting: %w", err)}
	}
	return buf[:size], nil
}

// request asks for bytes of a pack. That it is missing is damage.
func (r *Reader) request(ctx context.Context, p Info, offset, length int64) (io.ReadCloser, error) {
	body, err := r.o.Fetch.Fetch(ctx, p.Sum, offset, length)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Damage{p.Sum, fmt.Errorf("missing: %w", err)}
	}
	if err != nil {
		return nil, fmt.Errorf("fetching pack %x: %w", p.Sum, err)
	}
	return body, nil
}

// readFull fills p or stops at EOF, which is no error. Other than io.ReadFull it tells an
// object that ends early from a connection that does: the latter says io.ErrUnexpectedEOF.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	if err == io.EOF || n == len(p) {
		return n, nil
	}
	return n, err
}
