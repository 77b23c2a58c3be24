package snapshot

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// A Source writes one vault's complete plaintext dump, at one instant. Dump returns nil
// only if every stream is whole: a short dump that returns nil would become a snapshot.
type Source interface {
	Dump(ctx context.Context, d Dump) error
}

// A Dump receives what a source reads. Streams may be open at the same time and be written
// by different goroutines. An error from any of them ends the dump.
type Dump interface {
	// Stream opens a stream. Its name is unique in the dump and matches fs.ValidPath.
	Stream(ctx context.Context, s Stream) (StreamWriter, error)
	// About tells what was read from; called once, any time before Dump returns.
	About(a About)
	// Warn puts a sentence into the manifest for people to read. A warning never
	// stands in for an error: what is missing from a dump is an error.
	Warn(text string)
}

// A StreamWriter takes the bytes of one stream, in order. It is for one goroutine.
type StreamWriter interface {
	io.Writer
	// Seal ends the stream: rows is what it counts (rows, entries, ...), facts is any JSON
	// the kind wants back at restore, at most 1 MiB. Close it so only when the stream is whole;
	// a stream that is never sealed makes the dump fail.
	Seal(rows int64, facts any) error
}

// A Carrier is a Dump that knows the snapshot before. A source that can prove that a stream
// would come out as it did then carries it over instead of reading it again.
type Carrier interface {
	Dump
	// Earlier returns the streams that can be carried over: those of the newest earlier
	// snapshot of this host, in their order there, whose every chunk is still stored. It is empty if
	// there is nothing to build on, which is never an error.
	Earlier(ctx context.Context) ([]StreamInfo, error)
	// Carry puts the stream that Earlier has under name into this dump as it was, facts and
	// all. A dump has each name once, carried or written.
	Carry(ctx context.Context, name string) error
}

// A Rememberer is a Dump that knows what was said of the streams of the snapshot before, so that
// a source can warn of what is gone.
type Rememberer interface {
	Dump
	// Before returns the streams of the newest earlier snapshot of this host, whether or not they can be
	// carried over. It is empty if there is none that this host can read, which is never an error.
	Before(ctx context.Context) ([]StreamInfo, error)
}

// A Stream is a named part of a dump.
type Stream struct {
	Name   string // fs.ValidPath, e.g. "vault.db" or "tree.tar"
	Format string // what the bytes are, e.g. "sqlite3", "tar", "jsonl"
	Size   int64  // expected bytes, for progress and chunk size; 0 means unknown
}

// About tells what a dump was read from.
type About struct {
	AsOf   time.Time // the instant that the dump shows; zero means when Dump was called
	Server Server
}

// A Server is the product that keeps a vault. Facts are short, public and stable
// ("page_size": "4096"); they are stored in the clear, so no secret belongs there.
type Server struct {
	Product string            `json:"product"`
	Version string            `json:"version,omitempty"`
	Facts   map[string]string `json:"facts,omitempty"`
}

// StreamInfo describes a stored stream, as contents has it.
type StreamInfo struct {
	Name   string          `json:"name"`
	Format string          `json:"format"`
	Bytes  int64           `json:"bytes"`
	Rows   int64           `json:"rows"`
	SHA256 Digest          `json:"sha256"` // of the stream's plaintext
	Facts  json.RawMessage `json:"facts,omitempty"`
}

// Progress hears of work done. It is called from many goroutines, often, and must return
// at once. A nil Progress hears nothing.
type Progress func(Step)

// A Step is one piece of progress on one stream or object.
type Step struct {
	Name  string // stream or task
	Total int64  // expected bytes if known, else 0
	Bytes int64  // bytes since the last step
	Done  bool   // nothing more will come under this name
}

// Report calls p unless it is nil.
func (p Progress) Report(s Step) {
	if p != nil {
		p(s)
	}
}
