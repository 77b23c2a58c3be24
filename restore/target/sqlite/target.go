package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"holdfast/restore"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/sqlite"
)

var (
	// ErrInUse means that another process has the database open that a load would replace.
	ErrInUse = errors.New("database is in use by another process")
	// ErrNotDatabase means that a load would replace a file that is no SQLite database, which
	// nobody can have meant.
	ErrNotDatabase = errors.New("file is not a SQLite database")
)

// A Target restores a dump of one SQLite database to Path.
type Target struct {
	Path        string
	Replace     bool          // replace a database that is there
	Rehearse    bool          // do all of it, then keep nothing
	BusyTimeout time.Duration // how long to wait for a lock on a database to replace; 0 means 5 s
}

var _ restore.Target = (*Target)(nil)

// Preflight returns all that stands in the way of Load, as restore.Problems.
func (t *Target) Preflight(ctx context.Context, d restore.Dump) error {
	var found restore.Problems
	info, _, err := only(d)
	if err != nil {
		found = append(found, err)
	}
	path, err := resolve(t.Path)
	if err != nil {
		return append(found, fmt.Errorf("looking at %s: %w", t.Path, err))
	}
	found = append(found, folderProblems(filepath.Dir(path), info.Bytes)...)
	found = append(found, t.nameProblems(path)...)
	if err := ctx.Err(); err != nil {
		return err
	}
	return found.ErrOrNil()
}

// Load writes the database, proves it and gives it its name.
func (t *Target) Load(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	loaded, err := t.load(ctx, d)
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("writing %s: %w", t.Path, err)
	}
	return loaded, nil
}

func (t *Target) load(ctx context.Context, d restore.Dump) (loaded restore.Loaded, err error) {
	if err := t.Preflight(ctx, d); err != nil {
		return loaded, err
	}
	info, facts, err := only(d)
	if err != nil {
		return loaded, err
	}
	path, err := resolve(t.Path)
	if err != nil {
		return loaded, err
	}
	f, err := newScratch(path)
	if err != nil {
		return loaded, err
	}
	placed := false
	defer func() {
		if !placed {
			err = errors.Join(err, f.discard())
		}
	}()
	if err := fill(ctx, f, d, info); err != nil {
		return loaded, err
	}
	if loaded, err = prove(ctx, f.File, info, facts); err != nil {
		return loaded, err
	}
	loaded.Place = t.Path
	if t.Rehearse {
		loaded.Notes = append(loaded.Notes, "rehearsed: written and checked, then discarded")
		return loaded, nil
	}
	// From here on it is a matter of names: too late to be interrupted.
	if err := ctx.Err(); err != nil {
		return loaded, err
	}
	notes, err := t.place(context.WithoutCancel(ctx), f, path)
	if err != nil {
		return loaded, err
	}
	placed = true
	if err := f.discard(); err != nil { // the database is in place, which an error would deny
		notes = append(notes, fmt.Sprintf("removing what was replaced: %v", err))
	}
	loaded.Notes = append(loaded.Notes, notes...)
	return loaded, nil
}

// fill writes the stream into f and syncs it. The reader's io.EOF is the verdict on what was
// read; the digest taken here is of what went into the file.
func fill(ctx context.Context, f *scratch, d restore.Dump, info snapshot.StreamInfo) (err error) {
	r, err := d.Open(ctx, info.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(f.File, h), plain{ctx, r}, make([]byte, 256<<10))
	if err != nil {
		return err
	}
	if err := matches(info, n, h); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	forgetCache(f.File)
	return nil
}

// matches compares bytes that were read with the stream's size and digest.
func matches(info snapshot.StreamInfo, n int64, h hash.Hash) error {
	if n != info.Bytes {
		return snapshot.Damaged(info.Name, "%d bytes instead of %d", n, info.Bytes)
	}
	if sum := snapshot.Digest(h.Sum(nil)); sum != info.SHA256 {
		return snapshot.Damaged(info.Name, "its digest is %s instead of %s", sum, info.SHA256)
	}
	return nil
}

// plain is a reader that ends with its context.
type plain struct {
	ctx context.Context
	r   io.Reader
}

func (p plain) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// only returns the one stream of a sqlite dump and its facts.
func only(d restore.Dump) (info snapshot.StreamInfo, facts *source.Facts, err error) {
	streams := d.Streams()
	if len(streams) != 1 {
		return info, nil, fmt.Errorf("a SQLite dump is one stream, this snapshot has %d", len(streams))
	}
	info = streams[0]
	if info.Format != source.Format {
		return info, nil, fmt.Errorf("stream %q has format %q, not %q", info.Name, info.Format, source.Format)
	}
	facts = new(source.Facts)
	if err := json.Unmarshal(info.Facts, facts); err != nil {
		return info, nil, fmt.Errorf("reading the facts of stream %q: %w", info.Name, err)
	}
	if facts.Bytes() != info.Bytes || facts.Rows() != info.Rows {
		return info, nil, snapshot.Damaged(info.Name, "it has %d bytes and %d rows, its facts say %d and %d", info.Bytes, info.Rows, facts.Bytes(), facts.Rows())
	}
	return info, facts, nil
}

// resolve makes path absolute and follows symbolic links: the side files that SQLite looks
// for lie beside the file that a link points to.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, os.ErrNotExist) {
		return abs, nil
	}
	return real, err
}
