package auditlog

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// ErrCompression means that a file is packed in a way that is not read here.
var ErrCompression = errors.New("this compression is not supported: use gzip, zstd or bzip2")

// packings are told by how a file begins, since names can lie. No line of a log begins so.
var packings = []struct {
	name  string
	magic string
	open  func(io.Reader) (io.ReadCloser, error)
}{
	{"gzip", "\x1f\x8b", func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	{"zstd", "\x28\xb5\x2f\xfd", openZstd},
	{"bzip2", "BZh", func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }},
	{"xz", "\xfd7zXZ\x00", openUnknown},
	{"lz4", "\x04\x22\x4d\x18", openUnknown},
	{"compress", "\x1f\x9d", openUnknown},
}

// packing returns what the beginning of a file is packed with, "" for nothing.
func packing(begin []byte) string {
	for _, p := range packings {
		if bytes.HasPrefix(begin, []byte(p.magic)) {
			return p.name
		}
	}
	return ""
}

// unpack reads what is packed in r.
func unpack(name string, r io.Reader) (io.ReadCloser, error) {
	for _, p := range packings {
		if p.name == name {
			u, err := p.open(r)
			if err != nil {
				return nil, fmt.Errorf("unpacking %s: %w", name, err)
			}
			return u, nil
		}
	}
	return io.NopCloser(r), nil
}

// openZstd bounds the memory that a frame can ask for.
func openZstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

func openUnknown(io.Reader) (io.ReadCloser, error) { return nil, ErrCompression }
