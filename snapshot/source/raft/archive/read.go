package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// The members of an archive.
const (
	Meta   = "meta.json"
	State  = "state.bin"
	Sums   = "SHA256SUMS"
	Sealed = "SHA256SUMS.sealed"
)

// Names are the members in their order.
var Names = [...]string{Meta, State, Sums, Sealed}

// MaxSmall bounds every member but state.bin. Real ones have a few hundred bytes.
const MaxSmall = 1 << 20

var (
	// ErrArchive matches every error that means: this is not a whole archive.
	ErrArchive = errors.New("not a whole raft snapshot")
	// ErrCut means that an archive ends too early, or is empty. It comes with ErrArchive.
	ErrCut = errors.New("it is cut short")
)

const (
	readAhead  = 256 << 10
	maxPadding = 1 << 20 // zeros after the tar's end: GNU tar pads to 10 KiB
)

// Read reads an archive and hands each member to member, in order. member need not read to the end. Only
// when Read returns nil was anything of it what the server made.
func Read(r io.Reader, member func(name string, size int64, r io.Reader) error) error {
	src := &source{r: r}
	in := bufio.NewReaderSize(src, readAhead)
	rd := &reader{member: member, sums: map[string]string{}}
	err := rd.read(in)
	switch {
	case err == nil:
		return nil
	case src.err != nil:
		return fmt.Errorf("reading a raft snapshot: %w", src.err)
	case rd.body.err != nil: // member saw it first, and may say something else of it
		err = rd.body.err
	case rd.memberErr != nil:
		return rd.memberErr
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w after %d bytes", ErrCut, src.n)
	}
	return fmt.Errorf("reading a raft snapshot: %w: %w", ErrArchive, err)
}

// A source remembers why reading ended, so that a lost connection is not taken for a bad archive, and a bad
// archive not for an error of whoever reads a member.
type source struct {
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// A reader is one Read.
type reader struct {
	member    func(string, int64, io.Reader) error
	memberErr error
	body      source            // of the member at hand
	sums      map[string]string // hex digests by name, of meta.json and state.bin
}

func (r *reader) read(in *bufio.Reader) error {
	unzip, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("opening the gzip: %w", err)
	}
	unzip.Multistream(false)
	files := tar.NewReader(unzip)
	for _, name := range Names {
		if err := r.next(files, name); err != nil {
			return err
		}
	}
	if h, err := files.Next(); err == nil {
		return fmt.Errorf("there is a fifth member %q", h.Name)
	} else if err != io.EOF {
		return fmt.Errorf("reading the end of the tar: %w", err)
	}
	if err := padding(unzip); err != nil {
		return err
	}
	switch _, err := in.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("there is data after the end")
	default:
		return err
	}
}

// next reads one member, which must be the one called name.
func (r *reader) next(files *tar.Reader, name string) error {
	h, err := files.Next()
	if err == io.EOF {
		return fmt.Errorf("%s is missing", name)
	}
	if err != nil {
		return fmt.Errorf("looking for %s: %w", name, err)
	}
	if err := check(h, name); err != nil {
		return err
	}
	sum := sha256.New()
	var kept bytes.Buffer // SHA256SUMS alone
	var tee io.Writer = sum
	if name == Sums {
		tee = &kept
	}
	r.body = source{r: files}
	body := io.TeeReader(&r.body, tee)
	if err := r.member(name, h.Size, body); err != nil {
		r.memberErr = err
		return err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	return r.prove(name, sum, kept.String())
}

// check refuses a header that is not that of the member called name.
func check(h *tar.Header, name string) error {
	switch {
	case h.Name != name:
		return fmt.Errorf("%q is where %s should be", h.Name, name)
	case h.Typeflag != tar.TypeReg:
		return fmt.Errorf("%s is not a regular file", name)
	case h.Size == 0:
		return fmt.Errorf("%s is empty", name)
	case h.Size > MaxSmall && name != State:
		return fmt.Errorf("%s has %d bytes, more than it can have", name, h.Size)
	}
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse") {
			return fmt.Errorf("%s is sparse", name) // a few bytes would stand for any number
		}
	}
	return nil
}

// prove keeps the digest of a member, or compares those kept with what SHA256SUMS says.
func (r *reader) prove(name string, sum hash.Hash, sums string) error {
	switch name {
	case Meta, State:
		r.sums[name] = fmt.Sprintf("%x", sum.Sum(nil))
		return nil
	case Sums:
		return compare(sums, r.sums)
	}
	return nil
}

func compare(sums string, want map[string]string) error {
	seen := map[string]bool{}
	for line := range strings.Lines(sums) {
		hex, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		digest, known := want[name]
		if !ok || !known || seen[name] {
			return fmt.Errorf("%s has a line that is none of it", Sums)
		}
		if hex != digest {
			return fmt.Errorf("%s has SHA-256 %s, and %s says otherwise", name, digest, Sums)
		}
		seen[name] = true
	}
	for _, name := range []string{Meta, State} {
		if !seen[name] {
			return fmt.Errorf("%s has no line for %s", Sums, name)
		}
	}
	return nil
}

// padding reads the gzip to its end, where its own checksum is compared. What follows a tar is zeros.
func padding(r io.Reader) error {
	buf := make([]byte, 4096)
	for n := 0; ; {
		k, err := r.Read(buf)
		for _, b := range buf[:k] {
			if b != 0 {
				return errors.New("there is data after the end of the tar")
			}
		}
		if n += k; n > maxPadding {
			return errors.New("there is too much padding after the end of the tar")
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the end of the gzip: %w", err)
		}
	}
}
