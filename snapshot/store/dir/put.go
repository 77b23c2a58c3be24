package dir

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/snapshot"
)

// Put implements snapshot.Store. A folder cannot lock objects: a Put that asks for a lock
// is an error matching snapshot.ErrUnsupported.
func (s *Store) Put(ctx context.Context, key string, body []byte, o snapshot.PutOptions) error {
	if err := s.put(ctx, key, body, o); err != nil {
		return fmt.Errorf("storing %s: %w", key, s.explain(err))
	}
	return nil
}

func (s *Store) put(ctx context.Context, key string, body []byte, o snapshot.PutOptions) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if o.Lock != (snapshot.Lock{}) {
		return fmt.Errorf("locking objects: %w", snapshot.ErrUnsupported)
	}
	if o.SHA256 != [sha256.Size]byte{} && o.SHA256 != sha256.Sum256(body) {
		return errors.New("the body is not what its SHA-256 says")
	}
	if _, err := s.root.Lstat(key); err == nil {
		return s.exists(key)
	}
	temp, err := s.stage(ctx, body, time.Time{})
	if err != nil {
		return err
	}
	defer s.discard(temp)
	err = s.publish(key, func() error { return s.root.Link(temp, key) })
	switch {
	case errors.Is(err, fs.ErrExist):
		return s.exists(key)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EOPNOTSUPP):
		// What a file system without hard links answers, as does an immutable folder.
		return fmt.Errorf("creating without overwriting: %w: %v", snapshot.ErrUnsupported, err)
	}
	return err
}

// exists says that key is there, once it is sure to stay: whoever wrote it may not have
// synced its folder yet, and the caller is about to rely on it.
func (s *Store) exists(key string) error {
	if err := s.syncFolder(path.Dir(key)); err != nil {
		return err
	}
	return fs.ErrExist
}

const (
	tempPrefix = own + "/tmp-"
	tempAge    = 24 * time.Hour // older ones belong to no living writer
	writeSize  = 1 << 20        // between looks at the context
)

// stage writes body to a synced temporary file whose modification time is after the given.
func (s *Store) stage(ctx context.Context, body []byte, after time.Time) (string, error) {
	f, name, err := s.createTemp()
	if err != nil {
		return "", err
	}
	err = s.fill(ctx, f, name, body, after)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		s.discard(name)
		return "", err
	}
	s.sweep.Do(func() { s.sweepTemps(name) })
	return name, nil
}

func (s *Store) createTemp() (*os.File, string, error) {
	name := tempPrefix + rand.Text()
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.root.Mkdir(own, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, "", err
		}
		f, err = s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	return f, name, err
}

func (s *Store) fill(ctx context.Context, f *os.File, name string, body []byte, after time.Time) error {
	for len(body) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Write(body[:min(len(body), writeSize)])
		if err != nil {
			return err
		}
		body = body[n:]
	}
	if err := s.moveTimeAfter(name, after); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return ctx.Err()
}

// moveTimeAfter gives name a modification time that differs from an earlier one even where
// the file system's clock ticks slowly or was set back.
func (s *Store) moveTimeAfter(name string, after time.Time) error {
	for step := time.Microsecond; ; step *= 10 {
		info, err := s.root.Lstat(name)
		if err != nil {
			return err
		}
		if info.ModTime().After(after) {
			return nil
		}
		if step > time.Minute {
			return errors.New("the file system keeps no modification times")
		}
		t := after.Add(step)
		if err := s.root.Chtimes(name, t, t); err != nil {
			return err
		}
	}
}

// discard removes a temporary file. One that stays is swept another day.
func (s *Store) discard(name string) { _ = s.root.Remove(name) }

// sweepTemps removes what killed writers left, measured by the clock that stamped fresh.
func (s *Store) sweepTemps(fresh string) {
	now, err := s.root.Lstat(fresh)
	if err != nil {
		return
	}
	entries, err := fs.ReadDir(s.root.FS(), own)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		name := own + "/" + e.Name()
		if err == nil && strings.HasPrefix(name, tempPrefix) && now.ModTime().Sub(info.ModTime()) > tempAge {
			s.discard(name)
		}
	}
}
