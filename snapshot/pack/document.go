package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// Encrypt makes an age file of a small document: one zstd frame and padding, so that its size
// tells little. It can be read with age and zstd alone.
func Encrypt(plain []byte, recipients ...age.Recipient) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(documentWindow))
	if err != nil {
		return nil, fmt.Errorf("encrypting a document: setting up zstd: %w", err)
	}
	frame := enc.EncodeAll(plain, nil)
	var body appender
	w, err := age.Encrypt(&body, recipients...)
	if err != nil {
		return nil, fmt.Errorf("encrypting a document: %w", err)
	}
	if _, err := w.Write(frame); err != nil {
		return nil, fmt.Errorf("encrypting a document: %w", err)
	}
	if err := writePadding(w, int64(len(frame))); err != nil {
		return nil, fmt.Errorf("encrypting a document: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encrypting a document: %w", err)
	}
	return body.b, nil
}

// Decrypt reads a document to EOF and returns its plaintext, once age has authenticated all
// of it. A plaintext of more than limit bytes is refused, and so is a file far longer than
// such a plaintext can need.
func Decrypt(r io.Reader, limit int64, identities ...age.Identity) ([]byte, error) {
	stored := &capped{r: r, left: limit + limit/4 + documentSlack}
	plain, err := decrypt(stored, limit, identities)
	if stored.err != nil {
		err = stored.err // zstd may have made something else of it
	}
	if err != nil {
		return nil, fmt.Errorf("decrypting a document: %w", err)
	}
	return plain, nil
}

func decrypt(stored io.Reader, limit int64, identities []age.Identity) ([]byte, error) {
	src, err := age.Decrypt(stored, identities...)
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(src,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(limit)+documentWindow),
		zstd.WithDecoderMaxWindow(documentWindow))
	if err != nil {
		return nil, fmt.Errorf("setting up zstd: %w", err)
	}
	defer dec.Close()
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(dec, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, errTooLong
	}
	// zstd stops at the end of the file; that the file ends there is age's to say.
	n, err = io.Copy(io.Discard, src)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		return nil, fmt.Errorf("%d bytes after the end", n)
	}
	return out.Bytes(), nil
}

const (
	documentWindow = 8 << 20
	documentSlack  = 1 << 20 // age's header with many recipients, padding of short documents
)

var errTooLong = errors.New("longer than the limit")

// A capped reader fails after so many bytes, where io.LimitedReader would report EOF, and
// remembers why it failed.
type capped struct {
	r    io.Reader
	left int64
	err  error
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.err = errTooLong
		return 0, c.err
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}
