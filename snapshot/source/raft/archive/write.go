package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"
)

// A Member is a file to be put into an archive.
type Member struct {
	Name string
	Size int64
	Open func() (io.ReadCloser, error)
}

// Write writes an archive of members, which are the four in their order. On an error, what was
// written is not an archive: its gzip has no end.
func Write(w io.Writer, members []Member) error {
	if err := complete(members); err != nil {
		return fmt.Errorf("writing a raft snapshot: %w", err)
	}
	// The level is fixed so that the bytes are. Most of state.bin is encrypted: more effort gains nothing.
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("writing a raft snapshot: %w", err)
	}
	files := tar.NewWriter(zip)
	for _, m := range members {
		if err := add(files, m); err != nil {
			return fmt.Errorf("writing %s into a raft snapshot: %w", m.Name, err)
		}
	}
	if err := files.Close(); err != nil {
		return fmt.Errorf("writing a raft snapshot: %w", err)
	}
	if err := zip.Close(); err != nil {
		return fmt.Errorf("writing a raft snapshot: %w", err)
	}
	return nil
}

func complete(members []Member) error {
	if len(members) != len(Names) {
		return fmt.Errorf("%d members instead of %d", len(members), len(Names))
	}
	for i, m := range members {
		if m.Name != Names[i] {
			return fmt.Errorf("%q is where %s should be", m.Name, Names[i])
		}
	}
	return nil
}

func add(files *tar.Writer, m Member) (err error) {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: m.Name, Size: m.Size, Mode: 0o600, ModTime: time.Unix(0, 0)}
	if err := files.WriteHeader(h); err != nil {
		return err
	}
	r, err := m.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	n, err := io.Copy(files, r) // fails with tar.ErrWriteTooLong if there is more than Size
	if err != nil {
		return err
	}
	if n != m.Size {
		return fmt.Errorf("%d bytes instead of %d", n, m.Size)
	}
	return nil
}
