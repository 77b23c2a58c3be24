package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/snapshot/source/files"
)

const (
	treeName = "tree" // the restored tree inside the staging folder
	block    = 4096   // holes are made of whole blocks
)

// A builder makes entries in the order of a dump. Every entry is made by its last name in
// a directory that the builder made itself and holds open, and nothing is made that exists:
// there is no path for an archive to lead out by.
type builder struct {
	stage    int     // descriptor of the staging folder
	open     []level // directories from the root to the last entry
	owners   owners
	notes    notes
	entries  int64
	rootMode *uint32 // to be set once the tree is in place
	buf      []byte
}

// A level is a directory whose entries are being made. Its own attributes come last: each
// entry made in it would change its times, and its mode may forbid making any.
type level struct {
	entry    files.Entry
	parent   int
	name     string
	fd       int
	children int
}

func newBuilder(stage int, numericOwner bool) *builder {
	return &builder{stage: stage, owners: newOwners(numericOwner), notes: newNotes(), buf: make([]byte, 256<<10)}
}

// add makes e and proves that it is on disk what e says, apart from a directory, which is
// proved when all in it was made.
func (b *builder) add(ctx context.Context, e files.Entry, data io.Reader) error {
	dir, name, err := b.place(&e)
	if err != nil {
		return err
	}
	b.entries++
	switch e.Kind {
	case files.Dir:
		return b.enter(dir, name, e)
	case files.File:
		return b.file(ctx, dir, name, &e, data)
	case files.HardLink:
		return b.link(dir, name, &e)
	case files.Symlink:
		err = unix.Symlinkat(e.Link, dir, name)
	case files.Fifo:
		err = unix.Mknodat(dir, name, unix.S_IFIFO|0o600, 0)
	case files.CharDevice:
		err = unix.Mknodat(dir, name, unix.S_IFCHR|0o600, int(unix.Mkdev(e.Major, e.Minor)))
	case files.BlockDevice:
		err = unix.Mknodat(dir, name, unix.S_IFBLK|0o600, int(unix.Mkdev(e.Major, e.Minor)))
	default:
		err = fmt.Errorf("kind %q", e.Kind)
	}
	if err != nil {
		return err
	}
	return b.attributes(dir, name, &e)
}

// finish completes every directory that is still open.
func (b *builder) finish() error {
	for len(b.open) > 0 {
		if err := b.leave(); err != nil {
			return err
		}
	}
	return nil
}

// close gives back what finish did not, after an error.
func (b *builder) close() error {
	var err error
	for _, l := range b.open {
		err = errors.Join(err, unix.Close(l.fd))
	}
	b.open = nil
	return err
}

// place finds where e goes, completing the directories that nothing more will come into.
func (b *builder) place(e *files.Entry) (dir int, name string, err error) {
	if b.entries == 0 {
		return b.stage, treeName, nil
	}
	for len(b.open) > 0 && b.open[len(b.open)-1].entry.Path != files.Parent(e.Path) {
		if err := b.leave(); err != nil {
			return 0, "", err
		}
	}
	if len(b.open) == 0 {
		return 0, "", errors.New("its directory was not restored")
	}
	top := &b.open[len(b.open)-1]
	top.children++
	return top.fd, files.Base(e.Path), nil
}

func (b *builder) enter(dir int, name string, e files.Entry) error {
	if err := unix.Mkdirat(dir, name, 0o700); err != nil {
		return err
	}
	fd, err := openDir(dir, name)
	if err != nil {
		return err
	}
	b.open = append(b.open, level{entry: e, parent: dir, name: name, fd: fd})
	return nil
}

// leave completes the innermost directory.
func (b *builder) leave() error {
	l := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	err := b.complete(&l)
	return errors.Join(err, unix.Close(l.fd))
}

func (b *builder) complete(l *level) error {
	n, err := countNames(l.fd)
	if err == nil && n != l.children {
		err = fmt.Errorf("%d entries on disk instead of %d", n, l.children)
	}
	if err == nil {
		if l.parent == b.stage && l.entry.Mode&0o200 == 0 {
			// Moving a directory takes the right to write into it.
			mode := l.entry.Mode
			b.rootMode = &mode
			l.entry.Mode |= 0o200
		}
		err = b.attributes(l.parent, l.name, &l.entry)
	}
	if err != nil {
		return fmt.Errorf("completing the directory %q: %w", l.entry.Path, err)
	}
	return nil
}

func (b *builder) file(ctx context.Context, dir int, name string, e *files.Entry, data io.Reader) (err error) {
	fd, err := unix.Openat(dir, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := b.write(ctx, fd, e, data); err != nil {
		return err
	}
	if err := b.proveData(fd, e); err != nil {
		return err
	}
	return b.attributes(dir, name, e)
}

// write copies data to its io.EOF, which is what says that it was whole.
func (b *builder) write(ctx context.Context, fd int, e *files.Entry, data io.Reader) error {
	for pos := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(data, b.buf)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		if werr := writeAt(fd, b.buf[:n], pos, e.Sparse); werr != nil {
			return fmt.Errorf("writing: %w", werr)
		}
		pos += int64(n)
		if err == nil {
			continue
		}
		if pos != e.Size {
			return fmt.Errorf("%d bytes instead of %d", pos, e.Size)
		}
		if e.Sparse {
			return unix.Ftruncate(fd, pos)
		}
		return nil
	}
}

var zeros [block]byte

// writeAt writes p at pos, which is at a block. If holes are wanted, it leaves out blocks
// of zeros.
func writeAt(fd int, p []byte, pos int64, holes bool) error {
	for len(p) > 0 {
		n := len(p)
		if holes {
			n = dataRun(p)
			if n == 0 {
				n = min(block, len(p))
				p, pos = p[n:], pos+int64(n)
				continue
			}
		}
		n, err := unix.Pwrite(fd, p[:n], pos)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		p, pos = p[n:], pos+int64(n)
	}
	return nil
}

// dataRun is the length of the blocks at the start of p that are not all zero.
func dataRun(p []byte) int {
	n := 0
	for n < len(p) {
		end := min(n+block, len(p))
		if bytes.Equal(p[n:end], zeros[:end-n]) {
			break
		}
		n = end
	}
	return n
}

// link makes a hard link. The first name is looked up directory by directory from the root
// of the tree, and no step follows a symlink.
func (b *builder) link(dir int, name string, e *files.Entry) error {
	at, err := b.lookup(files.Parent(e.Link))
	if err != nil {
		return fmt.Errorf("finding its first name: %w", err)
	}
	defer unix.Close(at)
	if err := unix.Linkat(at, files.Base(e.Link), dir, name, 0); err != nil {
		return err
	}
	return proveLink(at, files.Base(e.Link), dir, name)
}

func (b *builder) lookup(path string) (int, error) {
	at, err := unix.Openat(b.stage, treeName, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil || path == files.Root {
		return at, err
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == ".." {
			return -1, errors.Join(errors.New("it is outside of the tree"), unix.Close(at))
		}
		next, err := unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		unix.Close(at)
		if err != nil {
			return -1, err
		}
		at = next
	}
	return at, nil
}

func openDir(dir int, name string) (int, error) {
	return unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

func countNames(fd int) (int, error) {
	count := 0
	buf := make([]byte, 32<<10)
	var names []string
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return count, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names[:0])
		count += len(names)
	}
}
