package auditlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// IndexStream lists the files of the log. It is the last stream of a dump; its facts are Facts.
const IndexStream = "files.json"

// indexType says what IndexStream is, and in which version.
const indexType = "holdfast/auditlog/1"

// An Index is what IndexStream holds: the files, oldest first.
type Index struct {
	Type  string `json:"type"`
	Files []File `json:"files"`
}

// A File is one file of the log. Its bytes are the stream that it names, which outlives the
// file's name: rotation renames files and leaves streams alone.
type File struct {
	Name     string    `json:"name"`             // of the file, without what marks it as packed
	Packed   string    `json:"packed,omitempty"` // "gzip", ...; the stream is not
	Modified time.Time `json:"modified"`
	Stream   string    `json:"stream"`
}

// Facts go with IndexStream.
type Facts struct {
	Files  int    `json:"files"`
	Counts Counts `json:"counts"` // of all files, merged in their order
}

// FileFacts go with the stream of a file. They are all that the next run knows of it.
type FileFacts struct {
	Counts   Counts    `json:"counts"`
	Left     int64     `json:"left,omitempty"`    // bytes of an unfinished last line, left out
	Identity *Identity `json:"identity,omitzero"` // nil: not known well enough to trust it
}

// An Identity is what the file system says of a file. While it stays the same, so do the bytes.
type Identity struct {
	Device   uint64 `json:"device"`
	Inode    uint64 `json:"inode"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // nanoseconds since 1970
	Changed  int64  `json:"changed"`
}

const (
	maxFiles    = 4096
	maxIndex    = 4 << 20
	maxFileJSON = 64 << 10  // counts of one file
	maxAllJSON  = 512 << 10 // counts of all
)

// ErrIndex means that what was read is no Index.
var ErrIndex = errors.New("not a list of log files")

// ReadIndex reads an Index and checks that it is one: every file has a plain name of its own and
// a stream of its own. If it is not, the error matches ErrIndex.
func ReadIndex(r io.Reader) (Index, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxIndex+1))
	if err != nil {
		return Index{}, err
	}
	if len(text) > maxIndex {
		return Index{}, fmt.Errorf("%w: it has more than %d bytes", ErrIndex, maxIndex)
	}
	var x Index
	if err := json.Unmarshal(text, &x); err != nil {
		return Index{}, fmt.Errorf("%w: %w", ErrIndex, err)
	}
	return x, x.check()
}

func (x Index) check() error {
	if x.Type != indexType {
		return fmt.Errorf("%w: it is of type %.40q and not %q", ErrIndex, x.Type, indexType)
	}
	if len(x.Files) == 0 || len(x.Files) > maxFiles {
		return fmt.Errorf("%w: it lists %d files", ErrIndex, len(x.Files))
	}
	names, streams := map[string]bool{}, map[string]bool{}
	for _, f := range x.Files {
		if !plain(f.Name) || names[f.Name] {
			return fmt.Errorf("%w: the file name %.80q", ErrIndex, f.Name)
		}
		if !strings.HasPrefix(f.Stream, StreamPrefix) || streams[f.Stream] {
			return fmt.Errorf("%w: the stream name %.80q", ErrIndex, f.Stream)
		}
		names[f.Name], streams[f.Stream] = true, true
	}
	return nil
}

// plain reports whether name is the name of a file in a folder and nothing else.
func plain(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 255 &&
		!strings.ContainsAny(name, "/\\\x00") && utf8.ValidString(name)
}

// write writes x, indented for people.
func (x Index) write(w io.Writer) error {
	if err := x.check(); err != nil {
		return fmt.Errorf("writing %s: %w", IndexStream, err)
	}
	text, err := json.MarshalIndent(x, "", " ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", IndexStream, err)
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
