package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"holdfast/snapshot"
)

// Get implements snapshot.Store.
func (s *Store) Get(ctx context.Context, key string, r snapshot.Range) (io.ReadCloser, error) {
	body, err := s.get(ctx, key, r)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, s.explain(err))
	}
	return body, nil
}

func (s *Store) get(ctx context.Context, key string, r snapshot.Range) (io.ReadCloser, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, size, err := s.openFile(key)
	if err != nil {
		return nil, err
	}
	length := size - r.Offset
	if r.Length > 0 {
		length = min(length, r.Length)
	}
	if r.Offset < 0 || r.Length < 0 || (length <= 0 && r != snapshot.Range{}) {
		return nil, errors.Join(fmt.Errorf("no bytes at %d+%d, it has %d", r.Offset, r.Length, size), f.Close())
	}
	return &reader{ctx: ctx, Reader: io.NewSectionReader(f, r.Offset, length), Closer: f}, nil
}

// openFile opens the object key. Someone may have put a pipe in its place, and opening
// that would wait for ever: hence O_NONBLOCK, which means nothing for a file.
func (s *Store) openFile(key string) (*os.File, int64, error) {
	f, err := s.root.OpenFile(key, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("%w: it is a folder", fs.ErrNotExist)
	case !info.Mode().IsRegular():
		err = errors.New("it is not a regular file")
	default:
		return f, info.Size(), nil
	}
	return nil, 0, errors.Join(err, f.Close())
}

// A reader reads an object until its context ends.
type reader struct {
	ctx context.Context
	io.Reader
	io.Closer
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// Delete implements snapshot.Store. Folders that become empty go too.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.remove(ctx, key); err != nil {
		return fmt.Errorf("deleting %s: %w", key, s.explain(err))
	}
	return nil
}

func (s *Store) remove(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := s.root.Lstat(key)
	if err == nil && info.IsDir() {
		return nil // a folder of keys is no key
	}
	if err == nil {
		err = s.root.Remove(key)
	}
	if missing(err) && !s.gone() {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.syncFolder(path.Dir(key)); err != nil && !missing(err) {
		return err
	}
	s.removeEmpty(path.Dir(key))
	return nil
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}
