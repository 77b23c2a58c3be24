package files

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"holdfast/snapshot"
)

// A Reader reads a tree and its index side by side and hands out only what both agree on.
type Reader struct {
	index *IndexReader
	tree  *counter
	tar   *tar.Reader
	data  *Data
	end   int64 // of the last member with its padding
}

// NewReader returns a Reader of the two streams of a dump.
func NewReader(tree, index io.Reader) *Reader {
	c := &counter{r: tree}
	return &Reader{index: NewIndexReader(index), tree: c, tar: tar.NewReader(c)}
}

// Next returns the next entry, and its data if it is a file; what was not read of the last
// one's data is read and checked first. io.EOF means that both streams were read to their
// ends, agreed, and every digest matched.
func (r *Reader) Next() (Entry, *Data, error) {
	if r.data != nil {
		if _, err := io.Copy(io.Discard, r.data); err != nil {
			return Entry{}, nil, err
		}
		r.data = nil
	}
	e, err := r.index.Next()
	if err == io.EOF {
		return Entry{}, nil, r.finish()
	}
	if err != nil {
		return Entry{}, nil, err
	}
	if err := r.member(&e); err != nil {
		return Entry{}, nil, err
	}
	if e.Kind == File {
		r.data = NewData(r.tar, &e)
	}
	return e, r.data, nil
}

// TreeBytes and IndexBytes are how much of each stream was read.
func (r *Reader) TreeBytes() int64 { return r.tree.n }

// IndexBytes is how much of the index was read.
func (r *Reader) IndexBytes() int64 { return r.index.Bytes() }

func (r *Reader) member(e *Entry) error {
	h, err := r.tar.Next()
	if err == io.EOF {
		return snapshot.Damaged(TreeStream, "it ends before %q", e.Path)
	}
	if err != nil {
		return treeError(err)
	}
	got, err := entryOf(h)
	if err != nil {
		return snapshot.Damaged(TreeStream, "%w where the index has %q", err, e.Path)
	}
	if !sameHeader(&got, e) {
		return snapshot.Damaged(TreeStream, "member %.200q is not what the index says of %.200q", got.Path, e.Path)
	}
	if e.Kind == File && e.Offset != r.tree.n {
		return snapshot.Damaged(TreeStream, "the data of %.200q begins at %d, not at %d", e.Path, r.tree.n, e.Offset)
	}
	r.end = r.tree.n
	if e.Kind == File {
		r.end += (e.Size + 511) &^ 511
	}
	return nil
}

// finish asks for exactly the two empty blocks that end a tar, so that a cut between two
// members shows even where no digest is at hand.
func (r *Reader) finish() error {
	h, err := r.tar.Next()
	if err == nil {
		return snapshot.Damaged(TreeStream, "member %.200q is not in the index", h.Name)
	}
	if err != io.EOF {
		return treeError(err)
	}
	if _, err := io.Copy(io.Discard, r.tree); err != nil {
		return treeError(err)
	}
	if r.tree.n != r.end+1024 {
		return snapshot.Damaged(TreeStream, "%d bytes after the last member instead of 1024", r.tree.n-r.end)
	}
	return io.EOF
}

// treeError keeps an error of the stream, which names itself, apart from a malformed tar.
func treeError(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, tar.ErrFieldTooLong) || errors.Is(err, io.ErrUnexpectedEOF) {
		return snapshot.Damaged(TreeStream, "%w", err)
	}
	return err
}

// Data is the content of one file. Its io.EOF says that all of it was there and had the
// digest of the index.
type Data struct {
	r    io.Reader
	e    Entry
	sum  hash.Hash
	left int64
}

// NewData reads the data of e from r, which is at its beginning.
func NewData(r io.Reader, e *Entry) *Data {
	return &Data{r: r, e: *e, sum: sha256.New(), left: e.Size}
}

func (d *Data) Read(p []byte) (int, error) {
	if d.left == 0 {
		if snapshot.Digest(d.sum.Sum(nil)) != d.e.SHA256 {
			return 0, snapshot.Damaged(TreeStream, "the data of %.200q does not have its digest", d.e.Path)
		}
		return 0, io.EOF
	}
	if int64(len(p)) > d.left {
		p = p[:d.left]
	}
	n, err := d.r.Read(p)
	d.sum.Write(p[:n])
	d.left -= int64(n)
	if err == io.EOF && d.left > 0 {
		return n, snapshot.Damaged(TreeStream, "the data of %.200q is cut short", d.e.Path)
	}
	if err != nil && err != io.EOF {
		return n, treeError(err)
	}
	return n, nil
}

// Counts is what Check found in a dump.
type Counts struct {
	Entries, Files, Dirs, Symlinks, HardLinks, Fifos, Devices int64
	Data                                                      int64 // bytes in files
	TreeBytes, IndexBytes                                     int64
}

// Check reads both streams of a dump to their ends and proves that they are one whole tree:
// every member as its index line says, every digest, no path that leads out of the root.
// It follows no link and writes nothing.
func Check(ctx context.Context, tree, index io.Reader) (Counts, error) {
	r := NewReader(tree, index)
	var c Counts
	for {
		if err := ctx.Err(); err != nil {
			return Counts{}, err
		}
		e, _, err := r.Next()
		if err == io.EOF {
			c.TreeBytes, c.IndexBytes = r.TreeBytes(), r.IndexBytes()
			return c, nil
		}
		if err != nil {
			return Counts{}, err
		}
		c.Add(&e)
	}
}

// Add counts one entry.
func (c *Counts) Add(e *Entry) {
	c.Entries++
	switch e.Kind {
	case File:
		c.Files++
		c.Data += e.Size
	case Dir:
		c.Dirs++
	case Symlink:
		c.Symlinks++
	case HardLink:
		c.HardLinks++
	case Fifo:
		c.Fifos++
	case CharDevice, BlockDevice:
		c.Devices++
	}
}

// A counter counts what it reads. It hides whatever else its reader can do: a tar reader
// would seek over data, which would then go unchecked.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
