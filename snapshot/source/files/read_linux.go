package files

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

const (
	small = 1 << 20 // a file up to here is read whole before any of it is written
	block = 4096    // what a file system gives out at a time
)

// file dumps a regular file, or a hard link if its data went before under another name.
func (c *capture) file(p *place) error {
	if first, ok := c.shared[inode{p.stat.Dev, p.stat.Ino}]; ok && p.stat.Nlink > 1 {
		return c.hardLink(p, first)
	}
	for attempt := 0; ; attempt++ {
		fd, err := c.openFile(p)
		if errors.Is(err, errGone) {
			return c.changed(p.path)
		}
		if err != nil {
			return fmt.Errorf("opening %q: %w", p.path, err)
		}
		done, err := c.tryFile(p, fd, attempt)
		unix.Close(fd)
		if done || err != nil {
			return err
		}
		if err := pause(c.ctx, tick<<min(attempt, 6)); err != nil {
			return err
		}
	}
}

// tryFile dumps the open file. done is false if it should be tried again, which is so only
// as long as nothing of it was written.
func (c *capture) tryFile(p *place, fd, attempt int) (done bool, err error) {
	if fresh(&p.stat) {
		// It changes faster than its times can show.
		if attempt < c.retries {
			return false, nil
		}
		if err := c.changed(p.path); err != nil {
			return true, err
		}
	}
	return c.readFile(p, fd, attempt)
}

// openFile opens p and takes its state afresh, for the name may mean another file by now.
// Should a fifo have taken its place, O_NONBLOCK keeps the open from waiting for a writer.
func (c *capture) openFile(p *place) (int, error) {
	fd, err := openAt(p.dir, p.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if vanished(err) || errors.Is(err, unix.ENXIO) {
		return -1, errGone
	}
	if err != nil {
		return -1, err
	}
	err = unix.Fstat(fd, &p.stat)
	if err == nil && !p.is(unix.S_IFREG) {
		err = errGone
	}
	if err == nil {
		err = settle(c.ctx, &p.stat)
	}
	if err == nil {
		err = unix.Fstat(fd, &p.stat)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	c.watch.read(p)
	return fd, nil
}

// readFile dumps the open file if it stays as it is.
func (c *capture) readFile(p *place, fd, attempt int) (done bool, err error) {
	e, err := c.entry(p)
	if errors.Is(err, errGone) {
		return true, c.changed(p.path)
	}
	if err != nil {
		return true, fmt.Errorf("reading %q: %w", p.path, err)
	}
	e.Size = p.stat.Size
	if e.Sparse, err = sparse(fd, &p.stat); err != nil {
		return true, fmt.Errorf("reading %q: %w", p.path, err)
	}
	if e.Size > small {
		return true, c.large(p, fd, &e)
	}
	data, err := c.readSmall(fd)
	if err != nil {
		return true, fmt.Errorf("reading %q: %w", p.path, err)
	}
	steady, err := c.steady(p, fd)
	if err != nil {
		return true, err
	}
	if steady && int64(len(data)) != e.Size {
		return true, fmt.Errorf("reading %q: %d bytes instead of %d: %w", p.path, len(data), e.Size, io.ErrUnexpectedEOF)
	}
	if !steady && attempt < c.retries {
		return false, nil
	}
	if !steady {
		if err := c.changed(p.path); err != nil {
			return true, err
		}
		data = data[:min(len(data), small)]
		e.Size = int64(len(data))
	}
	c.facts.Space += (e.Size + block - 1) / block * block
	return true, c.addFile(p, &e, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// addFile writes e and remembers it if other names of the file may follow.
func (c *capture) addFile(p *place, e *Entry, data func(io.Writer) error) error {
	e.Shared = p.stat.Nlink > 1
	if err := c.out.add(e, data); err != nil {
		return err
	}
	if !e.Shared {
		return nil
	}
	if len(c.shared) == maxShared {
		return errTooShared
	}
	c.shared[inode{p.stat.Dev, p.stat.Ino}] = *e
	return nil
}

func (c *capture) hardLink(p *place, first Entry) error {
	e, err := c.entry(p)
	if errors.Is(err, errGone) {
		return c.changed(p.path)
	}
	if err != nil {
		return fmt.Errorf("reading %q: %w", p.path, err)
	}
	e.Kind, e.Link = HardLink, first.Path
	e.Offset, e.Size, e.SHA256, e.Sparse = first.Offset, first.Size, first.SHA256, first.Sparse
	return c.out.add(&e, nil)
}

// steady reports whether the open file is still in the state p has.
func (c *capture) steady(p *place, fd int) (bool, error) {
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return false, fmt.Errorf("reading %q: %w", p.path, err)
	}
	return stateOf(&now) == stateOf(&p.stat), nil
}

// readSmall reads all there is, up to one byte more than a small file may have.
func (c *capture) readSmall(fd int) ([]byte, error) {
	n := 0
	for n < len(c.buf) {
		m, err := readAt(fd, c.buf[n:], int64(n))
		if err != nil {
			return nil, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return c.buf[:n], nil
}

// large streams a file whose size is already in the header. If it shrinks there is no
// honest way to fill what is missing, so that is an error under either policy; of a file
// that grows, such as a log, the beginning is dumped.
func (c *capture) large(p *place, fd int, e *Entry) error {
	err := c.addFile(p, e, func(w io.Writer) error {
		for pos := int64(0); pos < e.Size; {
			data, hole, err := extentAt(fd, pos, e)
			if err == nil {
				err = c.zeros(w, data-pos)
			}
			if err == nil {
				err = c.copy(w, fd, data, hole)
			}
			if err != nil {
				return fmt.Errorf("reading %q: %w", p.path, err)
			}
			pos = hole
		}
		return nil
	})
	if err != nil {
		return err
	}
	steady, err := c.steady(p, fd)
	if err != nil || steady {
		return err
	}
	return c.changed(p.path)
}

// extentAt finds the next run of data at or after pos: [data, hole).
func extentAt(fd int, pos int64, e *Entry) (data, hole int64, err error) {
	if !e.Sparse {
		return pos, e.Size, nil
	}
	data, err = unix.Seek(fd, pos, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return e.Size, e.Size, nil
	}
	if err != nil {
		return 0, 0, err
	}
	if data >= e.Size {
		return e.Size, e.Size, nil
	}
	hole, err = unix.Seek(fd, data, unix.SEEK_HOLE)
	return data, min(hole, e.Size), err
}

// sparse reports whether the file has a hole. Holes are not looked for in a file that has
// all its blocks, and a hole that is not reported is merely dumped as zeros.
func sparse(fd int, st *unix.Stat_t) (bool, error) {
	if st.Blocks*512 >= st.Size {
		return false, nil
	}
	hole, err := unix.Seek(fd, 0, unix.SEEK_HOLE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENXIO) {
		return false, nil // a file system without holes, or a file that was just emptied
	}
	return err == nil && hole < st.Size, err
}

var zeroBlock [256 << 10]byte

func (c *capture) zeros(w io.Writer, n int64) error {
	for n > 0 {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		m, err := w.Write(zeroBlock[:min(n, int64(len(zeroBlock)))])
		if err != nil {
			return err
		}
		n -= int64(m)
	}
	return nil
}

func (c *capture) copy(w io.Writer, fd int, pos, end int64) error {
	c.facts.Space += (end - pos + block - 1) / block * block
	for pos < end {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		n, err := readAt(fd, c.buf[:min(end-pos, 256<<10)], pos)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("it shrank: %w", ErrChanged)
		}
		if _, err := w.Write(c.buf[:n]); err != nil {
			return err
		}
		pos += int64(n)
	}
	return nil
}

func readAt(fd int, p []byte, offset int64) (int, error) {
	for {
		n, err := unix.Pread(fd, p, offset)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
