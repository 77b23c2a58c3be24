package kvtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"holdfast/snapshot"
)

// A Dump keeps what a source writes, and gives it back as a stored dump does.
type Dump struct {
	Wrap func(stream string, r io.Reader) io.Reader // if set, gets between a stream and its reader
	Read atomic.Int64                               // bytes handed out

	mu       sync.Mutex
	streams  []*stream
	From     snapshot.About
	Warnings []string
}

type stream struct {
	dump   *Dump
	info   snapshot.StreamInfo
	data   bytes.Buffer
	sealed bool
}

// Stream implements snapshot.Dump.
func (d *Dump) Stream(_ context.Context, s snapshot.Stream) (snapshot.StreamWriter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, other := range d.streams {
		if other.info.Name == s.Name {
			return nil, fmt.Errorf("stream %q is there twice", s.Name)
		}
	}
	w := &stream{dump: d, info: snapshot.StreamInfo{Name: s.Name, Format: s.Format}}
	d.streams = append(d.streams, w)
	return w, nil
}

// About implements snapshot.Dump.
func (d *Dump) About(a snapshot.About) { d.From = a }

// Warn implements snapshot.Dump.
func (d *Dump) Warn(text string) { d.Warnings = append(d.Warnings, text) }

func (s *stream) Write(p []byte) (int, error) { return s.data.Write(p) }

func (s *stream) Seal(rows int64, facts any) error {
	if s.sealed {
		return errors.New("sealed twice")
	}
	s.sealed = true
	s.info.Rows, s.info.Bytes, s.info.SHA256 = rows, int64(s.data.Len()), sha256.Sum256(s.data.Bytes())
	if facts == nil {
		return nil
	}
	var err error
	s.info.Facts, err = json.Marshal(facts)
	return err
}

// Unsealed names the streams that were never ended.
func (d *Dump) Unsealed() []string {
	var names []string
	for _, s := range d.streams {
		if !s.sealed {
			names = append(names, s.info.Name)
		}
	}
	return names
}

// Streams implements restore.Dump.
func (d *Dump) Streams() []snapshot.StreamInfo {
	var all []snapshot.StreamInfo
	for _, s := range d.streams {
		all = append(all, s.info)
	}
	return all
}

// Bytes returns what a stream holds, nil if there is no such stream.
func (d *Dump) Bytes(name string) []byte {
	for _, s := range d.streams {
		if s.info.Name == name {
			return s.data.Bytes()
		}
	}
	return nil
}

// Replace changes what a stream holds, and leaves what is known about it as it was.
func (d *Dump) Replace(name string, data []byte) {
	for _, s := range d.streams {
		if s.info.Name == name {
			s.data = *bytes.NewBuffer(data)
		}
	}
}

// Edit changes what is known about a stream, and leaves what it holds as it was.
func (d *Dump) Edit(name string, edit func(*snapshot.StreamInfo)) {
	for _, s := range d.streams {
		if s.info.Name == name {
			edit(&s.info)
		}
	}
}

// Open implements restore.Dump.
func (d *Dump) Open(_ context.Context, name string) (io.ReadCloser, error) {
	b := d.Bytes(name)
	if b == nil {
		return nil, fmt.Errorf("no stream %q", name)
	}
	return d.reader(name, b), nil
}

// OpenRange implements restore.Dump.
func (d *Dump) OpenRange(_ context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	b := d.Bytes(name)
	if offset < 0 || length < 0 || offset+length > int64(len(b)) {
		return nil, fmt.Errorf("%d bytes at %d of %d", length, offset, len(b))
	}
	return d.reader(name, b[offset:offset+length]), nil
}

func (d *Dump) reader(name string, b []byte) io.ReadCloser {
	var r io.Reader = bytes.NewReader(b)
	if d.Wrap != nil {
		r = d.Wrap(name, r)
	}
	return io.NopCloser(io.TeeReader(r, (*tally)(&d.Read)))
}

type tally atomic.Int64

func (t *tally) Write(p []byte) (int, error) {
	(*atomic.Int64)(t).Add(int64(len(p)))
	return len(p), nil
}
