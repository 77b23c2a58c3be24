package dir

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

// Load implements snapshot.Registers. Where the folder cannot be written there is no clock
// to ask, and Now is this host's: nobody can hold a lease there either.
func (s *Store) Load(ctx context.Context, key string) (snapshot.Register, error) {
	r, err := s.load(ctx, key)
	r.Now = s.now()
	if err != nil {
		return r, fmt.Errorf("loading %s: %w", key, s.explain(err))
	}
	return r, nil
}

// Swap implements snapshot.Registers.
func (s *Store) Swap(ctx context.Context, key string, body []byte, old string) (string, error) {
	version, err := s.swapLocked(ctx, key, body, old)
	if err != nil {
		return "", fmt.Errorf("swapping %s: %w", key, s.explain(err))
	}
	return version, nil
}

func (s *Store) load(ctx context.Context, key string) (snapshot.Register, error) {
	if err := checkKey(key); err != nil {
		return snapshot.Register{}, err
	}
	if err := ctx.Err(); err != nil {
		return snapshot.Register{}, err
	}
	f, size, err := s.openFile(key)
	if err != nil {
		return snapshot.Register{}, err
	}
	r, err := readRegister(f, size)
	return r, errors.Join(err, f.Close())
}

// readRegister reads one version: a file is never changed in place.
func readRegister(f *os.File, size int64) (snapshot.Register, error) {
	if size > store.MaxRegister {
		return snapshot.Register{}, fmt.Errorf("it has %d bytes, at most %d fit a register", size, store.MaxRegister)
	}
	info, err := f.Stat()
	if err != nil {
		return snapshot.Register{}, err
	}
	body, err := io.ReadAll(io.LimitReader(f, store.MaxRegister))
	if err != nil {
		return snapshot.Register{}, err
	}
	return snapshot.Register{Body: body, Version: versionOf(body, info.ModTime()), Modified: info.ModTime()}, nil
}

func versionOf(body []byte, modified time.Time) string {
	sum := sha256.Sum256(body)
	return fmt.Sprintf("%x-%x", modified.UnixNano(), sum[:16])
}

func (s *Store) swapLocked(ctx context.Context, key string, body []byte, old string) (string, error) {
	if len(body) > store.MaxRegister {
		return "", fmt.Errorf("%d bytes, at most %d fit a register", len(body), store.MaxRegister)
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	current, err := s.load(ctx, key)
	if err != nil && !missing(err) {
		return "", err
	}
	if current.Version != old {
		return "", snapshot.ErrConflict
	}
	temp, err := s.stage(ctx, body, current.Modified)
	if err != nil {
		return "", err
	}
	defer s.discard(temp) // a rename has moved it, a link has not
	info, err := s.root.Lstat(temp)
	if err != nil {
		return "", err
	}
	place := func() error { return s.root.Rename(temp, key) }
	if old == "" {
		place = func() error { return s.root.Link(temp, key) } // a Put does not take the lock
	}
	if err := s.publish(key, place); errors.Is(err, fs.ErrExist) {
		return "", snapshot.ErrConflict
	} else if err != nil {
		return "", err
	}
	return versionOf(body, info.ModTime()), nil
}

// lock makes this process and goroutine the only one to swap in this folder. The file
// stays: removing it would let two processes lock two files of the same name.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case s.swap <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f, err := s.lockFile(ctx)
	if err != nil {
		<-s.swap
		return nil, fmt.Errorf("locking the store: %w", err)
	}
	return func() {
		_ = f.Close() // nothing was written to it; closing unlocks
		<-s.swap
	}, nil
}

func (s *Store) lockFile(ctx context.Context) (*os.File, error) {
	if err := s.root.Mkdir(own, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	f, err := s.root.OpenFile(own+"/lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}

// now asks the file system what time it is, by what it writes on a new file.
func (s *Store) now() time.Time {
	f, name, err := s.createTemp()
	if err != nil {
		return time.Now()
	}
	defer s.discard(name)
	if f.Close() != nil {
		return time.Now()
	}
	info, err := s.root.Lstat(name)
	if err != nil {
		return time.Now()
	}
	return info.ModTime()
}
