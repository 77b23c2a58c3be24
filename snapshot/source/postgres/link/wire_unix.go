//go:build unix

package link

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const aheadSize = 128 << 10

// block goes over to blocking mode. Nobody may be reading or writing.
func (w *wire) block() error {
	filer, ok := w.Conn.(interface{ File() (*os.File, error) })
	if !ok {
		return errors.New("the connection has no descriptor")
	}
	f, err := filer.File()
	if err != nil {
		return err
	}
	defer f.Close() // its descriptor is taken a copy of
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var fd int
	var dupErr error
	if err := raw.Control(func(own uintptr) {
		fd, dupErr = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 3)
		if dupErr == nil {
			dupErr = unix.SetNonblock(fd, false)
		}
	}); err != nil {
		return err
	}
	if dupErr != nil {
		return fmt.Errorf("setting the connection to blocking: %w", dupErr)
	}
	w.fd = fd
	return w.Conn.Close() // the descriptor's copy keeps the connection open
}

func (w *wire) Read(p []byte) (int, error) {
	if w.fd == 0 {
		return w.Conn.Read(p)
	}
	if len(p) >= aheadSize {
		return w.receive(p)
	}
	if len(w.pending) == 0 {
		if w.ahead == nil {
			w.ahead = make([]byte, aheadSize)
		}
		n, err := w.receive(w.ahead)
		if err != nil {
			return 0, err
		}
		w.pending = w.ahead[:n]
	}
	n := copy(p, w.pending)
	w.pending = w.pending[n:]
	return n, nil
}

func (w *wire) receive(p []byte) (int, error) {
	for {
		n, err := unix.Read(w.fd, p)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, w.broken("read", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

func (w *wire) Write(p []byte) (int, error) {
	if w.fd == 0 {
		return w.Conn.Write(p)
	}
	sent := 0
	for sent < len(p) {
		n, err := unix.Write(w.fd, p[sent:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return sent, w.broken("write", err)
		}
		sent += n
	}
	return sent, nil
}

func (w *wire) broken(what string, err error) error {
	return &net.OpError{Op: what, Net: w.RemoteAddr().Network(), Addr: w.RemoteAddr(), Err: os.NewSyscallError(what, err.(syscall.Errno))}
}

// abort ends what the connection waits for, now and later. It may run beside anything.
func (w *wire) abort() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd == 0 {
		_ = w.Conn.Close()
		return
	}
	if !w.closed {
		_ = unix.Shutdown(w.fd, unix.SHUT_RDWR) // it fails only where there is no connection any more
	}
}

// Close closes the connection, which nobody may be reading from or writing to.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd == 0 {
		return w.Conn.Close()
	}
	if w.closed {
		return net.ErrClosed
	}
	w.closed = true
	return unix.Close(w.fd)
}
