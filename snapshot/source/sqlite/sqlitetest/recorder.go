package sqlitetest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"hash"
	"io"

	"holdfast/snapshot"
	"holdfast/snapshot/source/sqlite"
)

// A Recorder is a Dump that hands what a source writes to To and keeps what is said of it.
type Recorder struct {
	To       io.Writer
	Streams  []snapshot.Stream // as they were opened
	Sealed   bool
	Info     snapshot.StreamInfo // of the stream that was sealed
	Facts    sqlite.Facts        // in Info, read back as from a repository
	Told     snapshot.About
	Warnings []string
}

// About implements snapshot.Dump.
func (r *Recorder) About(a snapshot.About) { r.Told = a }

// Warn implements snapshot.Dump.
func (r *Recorder) Warn(text string) { r.Warnings = append(r.Warnings, text) }

// Stream implements snapshot.Dump.
func (r *Recorder) Stream(_ context.Context, s snapshot.Stream) (snapshot.StreamWriter, error) {
	r.Streams = append(r.Streams, s)
	return &recording{rec: r, info: snapshot.StreamInfo{Name: s.Name, Format: s.Format}, sum: sha256.New()}, nil
}

type recording struct {
	rec  *Recorder
	info snapshot.StreamInfo
	sum  hash.Hash
}

func (w *recording) Write(p []byte) (int, error) {
	n, err := w.rec.To.Write(p)
	w.sum.Write(p[:n])
	w.info.Bytes += int64(n)
	return n, err
}

// Seal implements snapshot.StreamWriter.
func (w *recording) Seal(rows int64, facts any) (err error) {
	w.info.Rows, w.info.SHA256 = rows, snapshot.Digest(w.sum.Sum(nil))
	if w.info.Facts, err = json.Marshal(facts); err != nil {
		return err
	}
	w.rec.Info, w.rec.Sealed = w.info, true
	return json.Unmarshal(w.info.Facts, &w.rec.Facts)
}
