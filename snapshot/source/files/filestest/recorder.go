package filestest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"holdfast/snapshot"
)

// A Recorder keeps a dump in memory.
type Recorder struct {
	Told     snapshot.About
	Warnings []string
	Streams  map[string]*Recorded
	Written  func(stream string, total int) // if set, hears of each write
}

// A Recorded is one stream.
type Recorded struct {
	bytes.Buffer
	rec    *Recorder
	Info   snapshot.Stream
	Rows   int64
	Facts  []byte
	Sealed bool
}

// NewRecorder returns an empty Recorder.
func NewRecorder() *Recorder { return &Recorder{Streams: map[string]*Recorded{}} }

// About implements snapshot.Dump.
func (r *Recorder) About(a snapshot.About) { r.Told = a }

// Warn implements snapshot.Dump.
func (r *Recorder) Warn(text string) { r.Warnings = append(r.Warnings, text) }

// Stream implements snapshot.Dump.
func (r *Recorder) Stream(_ context.Context, s snapshot.Stream) (snapshot.StreamWriter, error) {
	if r.Streams[s.Name] != nil {
		return nil, errors.New("stream opened twice")
	}
	r.Streams[s.Name] = &Recorded{rec: r, Info: s}
	return r.Streams[s.Name], nil
}

func (w *Recorded) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if w.rec.Written != nil {
		w.rec.Written(w.Info.Name, w.Len())
	}
	return n, err
}

// Seal implements snapshot.StreamWriter.
func (w *Recorded) Seal(rows int64, facts any) (err error) {
	w.Rows, w.Sealed = rows, true
	w.Facts, err = json.Marshal(facts)
	return err
}
