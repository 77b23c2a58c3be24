package auditlog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/auditlog"
)

func (t *Target) preflight(ctx context.Context, d restore.Dump) error {
	place, err := t.place()
	if err != nil {
		return restore.Problems{err}
	}
	problems := placeProblems(place, t.Replace)
	chosen, _, _, err := t.choose(ctx, d)
	if err != nil {
		return append(problems, err)
	}
	var need int64
	for _, p := range chosen {
		need += p.info.Bytes
	}
	return append(problems, roomProblems(filepath.Dir(place), need)...).ErrOrNil()
}

func (t *Target) load(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	place, err := t.place()
	if err != nil {
		return restore.Loaded{}, err
	}
	stale, err := sweep(place, t.Rehearse)
	if err != nil {
		return restore.Loaded{}, err
	}
	if err := placeProblems(place, t.Replace).ErrOrNil(); err != nil {
		return restore.Loaded{}, err
	}
	s, err := newStaging(place)
	if err != nil {
		return restore.Loaded{}, err
	}
	loaded, err := t.fill(ctx, d, s)
	if err == nil && !t.Rehearse {
		err = s.commit(t.Replace)
	}
	removeErr := s.remove()
	if err != nil || removeErr != nil && t.Rehearse {
		return restore.Loaded{}, errors.Join(err, removeErr)
	}
	loaded.Place, loaded.Notes = place, append(loaded.Notes, stale...)
	if removeErr != nil { // the log is in place, which an error would deny
		loaded.Notes = append(loaded.Notes, fmt.Sprintf("what was replaced is still in %s: %v", s.dir, removeErr))
	}
	return loaded, nil
}

// fill writes the chosen files into the staging folder and proves them.
func (t *Target) fill(ctx context.Context, d restore.Dump, s *staging) (restore.Loaded, error) {
	chosen, index, notes, err := t.choose(ctx, d)
	if err != nil {
		return restore.Loaded{}, err
	}
	root, err := os.OpenRoot(s.tree())
	if err != nil {
		return restore.Loaded{}, err
	}
	loaded := restore.Loaded{Notes: notes}
	for _, p := range chosen {
		stream, err := t.file(ctx, d, root, p)
		if err != nil {
			return restore.Loaded{}, errors.Join(fmt.Errorf("%s: %w", p.Name, err), root.Close())
		}
		loaded.Streams = append(loaded.Streams, stream)
	}
	loaded.Streams = append(loaded.Streams, restore.LoadedStream{Name: auditlog.IndexStream, Bytes: index})
	if t.Rehearse {
		loaded.Notes = append(loaded.Notes, fmt.Sprintf("rehearsed in %s; nothing was kept", filepath.Dir(s.path)))
	}
	return loaded, errors.Join(syncFolder(root), root.Close())
}

// file writes one file and reads it back from disk.
func (t *Target) file(ctx context.Context, d restore.Dump, root *os.Root, p part) (restore.LoadedStream, error) {
	f, err := root.OpenFile(p.Name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return restore.LoadedStream{}, err
	}
	err = t.copy(ctx, d, f, p)
	var stream restore.LoadedStream
	if err == nil {
		stream, err = prove(ctx, f, p.info)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return restore.LoadedStream{}, err
	}
	return stream, root.Chtimes(p.Name, p.Modified, p.Modified)
}

func (t *Target) copy(ctx context.Context, d restore.Dump, to *os.File, p part) error {
	r, err := d.Open(ctx, p.Stream)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(to, struct{ io.Reader }{&reporting{ctx, r, t.Progress, p.info}}, make([]byte, 256<<10))
	t.Progress.Report(snapshot.Step{Name: p.Stream, Total: p.info.Bytes, Done: true})
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	return to.Sync()
}

// A reporting reader tells of what was read and ends when it is told to.
type reporting struct {
	ctx  context.Context
	r    io.Reader
	tell snapshot.Progress
	info snapshot.StreamInfo
}

func (r *reporting) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.r.Read(p)
	r.tell.Report(snapshot.Step{Name: r.info.Name, Total: r.info.Bytes, Bytes: int64(n)})
	return n, err
}

// prove reads a file back from disk and compares it with what was dumped.
func prove(ctx context.Context, f *os.File, info snapshot.StreamInfo) (restore.LoadedStream, error) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // an advice: what is read back is checked either way
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return restore.LoadedStream{}, err
	}
	sum := sha256.New()
	lines := &tally{}
	n, err := io.CopyBuffer(io.MultiWriter(sum, lines), struct{ io.Reader }{&reporting{ctx: ctx, r: bufio.NewReaderSize(f, 256<<10)}}, make([]byte, 256<<10))
	if err != nil {
		return restore.LoadedStream{}, fmt.Errorf("reading back: %w", err)
	}
	if n != info.Bytes || snapshot.Digest(sum.Sum(nil)) != info.SHA256 || lines.n() != info.Rows {
		return restore.LoadedStream{}, fmt.Errorf("reading back: %d lines in %d bytes are not the %d in %d that were dumped: %w",
			lines.n(), n, info.Rows, info.Bytes, snapshot.ErrDamaged)
	}
	return restore.LoadedStream{Name: info.Name, Rows: lines.n(), Bytes: n}, nil
}

// A tally counts lines. The last may lack its end.
type tally struct {
	ends int64
	open bool
}

func (t *tally) Write(p []byte) (int, error) {
	t.ends += int64(bytes.Count(p, []byte{'\n'}))
	if len(p) > 0 {
		t.open = p[len(p)-1] != '\n'
	}
	return len(p), nil
}

func (t *tally) n() int64 {
	if t.open {
		return t.ends + 1
	}
	return t.ends
}
