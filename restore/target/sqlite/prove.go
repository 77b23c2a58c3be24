package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"

	"golang.org/x/sync/errgroup"
	"modernc.org/sqlite/vfs"

	"holdfast/restore"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/sqlite"
)

// prove reads f back and compares it with the dump: its digest, and what SQLite finds in
// it. The two read the same pages of the file at the same time, so the disk is read once.
func prove(ctx context.Context, f *os.File, info snapshot.StreamInfo, want *source.Facts) (restore.Loaded, error) {
	var (
		g, gctx = errgroup.WithContext(ctx)
		loaded  restore.Loaded
	)
	g.Go(func() error { return rehash(gctx, f, info) })
	g.Go(func() error {
		got, notes, err := examine(gctx, f, info.Name)
		if err != nil {
			return fmt.Errorf("checking the restored database: %w", err)
		}
		if err := want.Same(got); err != nil {
			return snapshot.Damaged(info.Name, "restored differently: %w", err)
		}
		loaded.Streams = []restore.LoadedStream{{Name: info.Name, Rows: got.Rows(), Bytes: got.Bytes()}}
		loaded.Notes = notes
		return nil
	})
	if err := g.Wait(); err != nil {
		return restore.Loaded{}, err
	}
	return loaded, nil
}

func rehash(ctx context.Context, f *os.File, info snapshot.StreamInfo) error {
	stat, err := f.Stat()
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.CopyBuffer(h, plain{ctx, io.NewSectionReader(f, 0, stat.Size())}, make([]byte, 256<<10))
	if err != nil {
		return fmt.Errorf("reading the restored database back: %w", err)
	}
	return matches(info, n, h)
}

// examine runs SQLite's checks on a file that has no name, or not yet its own. immutable
// keeps SQLite from looking for a log and from making one.
func examine(ctx context.Context, f *os.File, name string) (facts *source.Facts, notes []string, err error) {
	system, registered, err := vfs.New(oneFile{f})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, registered.Close()) }()
	db, conn, err := source.Open(ctx, onlyName, url.Values{"mode": {"ro"}, "immutable": {"1"}, "vfs": {system}}, 0)
	if err != nil {
		return nil, nil, source.Explain(ctx, name, err)
	}
	defer func() { err = errors.Join(conn.Close(), db.Close(), err) }()
	if facts, notes, err = source.Examine(ctx, conn, name, false); err != nil {
		return nil, nil, err
	}
	if facts.Checked == source.CheckedStructure {
		_, err = source.Check(plain{ctx, io.NewSectionReader(f, 0, facts.Bytes())}, facts)
	}
	return facts, notes, err
}

// onlyName is what the file in a oneFile is called.
const onlyName = "/database"

// A oneFile is a file system with one file in it, for SQLite to read.
type oneFile struct{ f *os.File }

func (o oneFile) Open(name string) (fs.File, error) {
	if name != onlyName {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	stat, err := o.f.Stat()
	if err != nil {
		return nil, err
	}
	return section{io.NewSectionReader(o.f, 0, stat.Size()), o.f}, nil
}

// A section reads the file at positions of its own. Closing it leaves the file open.
type section struct {
	*io.SectionReader
	f *os.File
}

func (s section) Stat() (fs.FileInfo, error) { return s.f.Stat() }
func (s section) Close() error               { return nil }
