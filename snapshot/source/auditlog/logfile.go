package auditlog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// StreamPrefix begins the names of the streams that hold files.
const StreamPrefix = "log/"

// A logFile is one file of the log, open from before it is decided what to read until the end, so
// that rotation, which renames and removes names, changes nothing.
type logFile struct {
	name   string // in the folder
	file   *os.File
	info   fs.FileInfo // as it was opened
	opened time.Time
	packed string

	stream string // "" if the file has no whole line
	first  time.Time
}

// openFile opens a file and looks at its beginning. A file that is no regular one is an error.
func openFile(ctx context.Context, dir, name string) (*logFile, error) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", name, errNotFile)
	}
	f := &logFile{name: name, opened: time.Now()}
	if f.file, err = os.Open(path); err != nil {
		return nil, err
	}
	if err := f.look(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.file.Close())
	}
	return f, nil
}

// look finds out what the file is packed with and which stream it is.
func (f *logFile) look(ctx context.Context) error {
	var err error
	if f.info, err = f.file.Stat(); err != nil {
		return err
	}
	begin := make([]byte, 8)
	n, err := f.file.ReadAt(begin, 0)
	if err != nil && err != io.EOF {
		return err
	}
	f.packed = packing(begin[:n])
	f.stream, f.first, err = f.begins(ctx)
	return err
}

// begins returns the stream's name: when the first audit entry was written, and a part of the
// hash of its line. Both stay with the file through every rotation, packing and append, and no
// two files of one log share them, since an entry has the id of its request in it.
func (f *logFile) begins(ctx context.Context) (stream string, first time.Time, err error) {
	r, err := f.open()
	if err != nil {
		return "", time.Time{}, err
	}
	lines, seen := NewLines(r), false
	for ctx.Err() == nil {
		line, whole, err := lines.Next()
		if err == io.EOF || err == nil && !whole && f.packed == "" {
			break
		}
		if err != nil {
			return "", time.Time{}, errors.Join(err, r.Close())
		}
		seen = true
		if at, ok := EntryTime(line); ok {
			sum := sha256.Sum256(line)
			return StreamPrefix + at.Format("20060102T150405.000000000Z") + "-" + hex.EncodeToString(sum[:8]), at, r.Close()
		}
	}
	if err := errors.Join(context.Cause(ctx), r.Close()); err != nil {
		return "", time.Time{}, err
	}
	if seen {
		return "", time.Time{}, ErrNotAudit
	}
	return "", time.Time{}, nil
}

// open reads the file from its beginning, as far as it went when it was opened.
func (f *logFile) open() (io.ReadCloser, error) {
	return unpack(f.packed, io.NewSectionReader(f.file, 0, f.info.Size()))
}

// steady makes sure that what was read is what was there: a log grows, but it does not shrink,
// begin otherwise, or change without growing.
func (f *logFile) steady(ctx context.Context) error {
	now, err := f.file.Stat()
	if err != nil {
		return err
	}
	before := f.info
	switch {
	case now.Size() < before.Size():
		return fmt.Errorf("it shrank from %d to %d bytes: %w", before.Size(), now.Size(), ErrChanged)
	case now.Size() == before.Size() && !now.ModTime().Equal(before.ModTime()):
		return fmt.Errorf("it was written to without growing: %w", ErrChanged)
	}
	stream, _, err := f.begins(ctx)
	if err != nil {
		return err
	}
	if stream != f.stream {
		return fmt.Errorf("it begins with another entry: %w", ErrChanged)
	}
	return nil
}

// settled is how long the last change of a file must be past for its times to show the next one.
const settled = 2 * time.Second

// identity is what to know the file by next time; nil if its times cannot be trusted yet.
func (f *logFile) identity() *Identity {
	id, ok := identify(f.info)
	if !ok || f.opened.UnixNano()-id.Changed < int64(settled) {
		return nil
	}
	return &id
}
