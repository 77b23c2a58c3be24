package files

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"

	"holdfast/snapshot"
)

// A treeWriter writes entries to both streams.
type treeWriter struct {
	tree    *bufio.Writer
	index   *bufio.Writer
	tar     *tar.Writer
	lines   *indexWriter
	offset  int64 // of the tar so far
	entries int64
}

func newTreeWriter(tree, index io.Writer) *treeWriter {
	w := &treeWriter{tree: bufio.NewWriterSize(tree, 256<<10), index: bufio.NewWriterSize(index, 64<<10)}
	w.tar = tar.NewWriter(w)
	w.lines = newIndexWriter(w.index)
	return w
}

// Write passes what the tar writer writes to the stream and counts it.
func (w *treeWriter) Write(p []byte) (int, error) {
	n, err := w.tree.Write(p)
	w.offset += int64(n)
	return n, err
}

// add writes e and, if it is a file, e.Size bytes that data writes. It sets e's offset and
// digest. The line goes last, because the digest is known last.
func (w *treeWriter) add(e *Entry, data func(io.Writer) error) error {
	if err := w.tar.WriteHeader(e.header()); err != nil {
		return fmt.Errorf("writing the header of %q: %w", e.Path, err)
	}
	if e.Kind == File {
		e.Offset = w.offset
		sum := sha256.New()
		if err := data(io.MultiWriter(sum, w.tar)); err != nil {
			return err
		}
		e.SHA256 = snapshot.Digest(sum.Sum(nil))
	}
	if err := w.lines.write(e); err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	w.entries++
	return nil
}

// close ends the tar and hands over all that is buffered. It is for a whole tree only.
func (w *treeWriter) close() error {
	if err := w.tar.Close(); err != nil {
		return fmt.Errorf("ending the tar: %w", err)
	}
	if err := w.tree.Flush(); err != nil {
		return fmt.Errorf("ending the tar: %w", err)
	}
	if err := w.index.Flush(); err != nil {
		return fmt.Errorf("ending the index: %w", err)
	}
	return nil
}
