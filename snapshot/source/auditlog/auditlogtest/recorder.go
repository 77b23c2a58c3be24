package auditlogtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"holdfast/snapshot"
)

// A Recorder keeps a dump in memory and gives it back as restore.Dump has it. It carries streams
// over from the dump before, if there is one.
type Recorder struct {
	Before   *Recorder
	Told     snapshot.About
	Warnings []string
	Carried  []string
	Wrote    func(stream string, total int) error       // if set, hears of each write
	Wrap     func(stream string, r io.Reader) io.Reader // if set, gets between a stream and its reader
	Read     atomic.Int64                               // bytes that were handed out

	list  []string
	parts map[string]*Recorded
}

// A Recorded is one stream.
type Recorded struct {
	bytes.Buffer
	Info snapshot.StreamInfo

	rec    *Recorder
	sealed bool
}

// About implements snapshot.Dump.
func (r *Recorder) About(a snapshot.About) { r.Told = a }

// Warn implements snapshot.Dump.
func (r *Recorder) Warn(text string) { r.Warnings = append(r.Warnings, text) }

// Stream implements snapshot.Dump.
func (r *Recorder) Stream(_ context.Context, s snapshot.Stream) (snapshot.StreamWriter, error) {
	return r.add(s.Name, &Recorded{rec: r, Info: snapshot.StreamInfo{Name: s.Name, Format: s.Format}})
}

func (r *Recorder) add(name string, w *Recorded) (*Recorded, error) {
	if r.parts[name] != nil || !fs.ValidPath(name) {
		return nil, fmt.Errorf("stream %q cannot be opened", name)
	}
	if r.parts == nil {
		r.parts = map[string]*Recorded{}
	}
	r.list, r.parts[name] = append(r.list, name), w
	return w, nil
}

// Earlier implements snapshot.Carrier.
func (r *Recorder) Earlier(context.Context) ([]snapshot.StreamInfo, error) {
	if r.Before == nil {
		return nil, nil
	}
	return r.Before.Streams(), nil
}

// Carry implements snapshot.Carrier.
func (r *Recorder) Carry(_ context.Context, name string) error {
	w := r.Before.parts[name]
	if w == nil {
		return fs.ErrNotExist
	}
	r.Carried = append(r.Carried, name)
	_, err := r.add(name, w)
	return err
}

func (w *Recorded) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if w.rec.Wrote != nil {
		err = errors.Join(err, w.rec.Wrote(w.Info.Name, w.Len()))
	}
	return n, err
}

// Seal implements snapshot.StreamWriter.
func (w *Recorded) Seal(rows int64, facts any) (err error) {
	w.sealed = true
	w.Info.Rows, w.Info.Bytes, w.Info.SHA256 = rows, int64(w.Len()), sha256.Sum256(w.Bytes())
	w.Info.Facts, err = json.Marshal(facts)
	return err
}

// Unsealed lists the streams that were not sealed.
func (r *Recorder) Unsealed() []string {
	var names []string
	for _, name := range r.list {
		if !r.parts[name].sealed {
			names = append(names, name)
		}
	}
	return names
}

// Part returns one stream, to be looked at or altered; nil if there is none.
func (r *Recorder) Part(name string) *Recorded { return r.parts[name] }

// Streams lists every stream in the order in which they were opened.
func (r *Recorder) Streams() []snapshot.StreamInfo {
	var all []snapshot.StreamInfo
	for _, name := range r.list {
		all = append(all, r.parts[name].Info)
	}
	return all
}

// Open reads a stream.
func (r *Recorder) Open(_ context.Context, stream string) (io.ReadCloser, error) {
	w := r.parts[stream]
	if w == nil {
		return nil, fs.ErrNotExist
	}
	return r.reader(stream, w.Bytes()), nil
}

// OpenRange reads a part of a stream.
func (r *Recorder) OpenRange(_ context.Context, stream string, offset, length int64) (io.ReadCloser, error) {
	w := r.parts[stream]
	if w == nil {
		return nil, fs.ErrNotExist
	}
	return r.reader(stream, w.Bytes()[offset:offset+length]), nil
}

func (r *Recorder) reader(stream string, data []byte) io.ReadCloser {
	var from io.Reader = bytes.NewReader(data)
	if r.Wrap != nil {
		from = r.Wrap(stream, from)
	}
	return io.NopCloser(io.TeeReader(from, (*tally)(&r.Read)))
}

type tally atomic.Int64

func (t *tally) Write(p []byte) (int, error) {
	(*atomic.Int64)(t).Add(int64(len(p)))
	return len(p), nil
}
