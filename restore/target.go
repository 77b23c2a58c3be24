package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"holdfast/snapshot"
)

// A Dump is one stored dump, ready to be read. Its methods may be called concurrently.
type Dump interface {
	// Streams lists every stream, in the order they were opened at the source.
	Streams() []snapshot.StreamInfo
	// Open reads a whole stream. io.EOF is the verdict: any byte that is not what was
	// dumped turns it into an error matching snapshot.ErrDamaged, so bytes already read
	// count for nothing until EOF. The caller closes the reader.
	Open(ctx context.Context, stream string) (io.ReadCloser, error)
	// OpenRange reads length bytes of a stream from offset without reading the rest.
	// Each piece is checked before it is handed out. The caller closes the reader.
	OpenRange(ctx context.Context, stream string, offset, length int64) (io.ReadCloser, error)
}

// A Target loads one dump into one place.
type Target interface {
	// Preflight looks at the place without changing it and returns all that stands in the
	// way of Load at once, as Problems; nil if nothing does.
	Preflight(ctx context.Context, d Dump) error
	// Load loads d. It commits only after every stream it asked for returned io.EOF and what
	// was loaded was counted and compared with the dump; after any error the place is as it
	// was before. A target that rehearses does all of it and then keeps nothing.
	Load(ctx context.Context, d Dump) (Loaded, error)
}

// A Surveyor is a Target that can tell what it would load into and what will be needed for it,
// in sentences for the plan. It changes nothing.
type Surveyor interface {
	Survey(ctx context.Context, d Dump) ([]string, error)
}

// A Checker proves the structure of one kind's dump while reading it once, in bounded
// memory, and writes none of it anywhere. It reads every stream to io.EOF.
type Checker interface {
	Check(ctx context.Context, d Dump) (Loaded, error)
}

// Loaded tells what is in the target after a load, or in a dump after a check, recounted
// there and not copied from the manifest.
type Loaded struct {
	Place   string         `json:"place,omitempty"` // where, for people; never a secret
	Streams []LoadedStream `json:"streams"`
	Notes   []string       `json:"notes,omitempty"` // e.g. owners that could not be set
	// Unsealed means that unseal shares opened the dump of a cluster, and every entry with them.
	Unsealed bool `json:"unsealed,omitempty"`
}

// A LoadedStream is one stream as it was recounted.
type LoadedStream struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// ErrOccupied means that the target holds something a load would overwrite.
var ErrOccupied = errors.New("target is not empty")

// Problems are everything that stands in the way of a load.
type Problems []error

func (p Problems) Error() string {
	s := make([]string, len(p))
	for i, err := range p {
		s[i] = err.Error()
	}
	return strings.Join(s, "; ")
}

// Unwrap lets errors.Is look into every problem.
func (p Problems) Unwrap() []error { return p }

// ErrOrNil returns p as an error, or nil if there is no problem.
func (p Problems) ErrOrNil() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// Find returns the info of one stream of d.
func Find(d Dump, stream string) (snapshot.StreamInfo, error) {
	for _, s := range d.Streams() {
		if s.Name == stream {
			return s, nil
		}
	}
	return snapshot.StreamInfo{}, fmt.Errorf("the snapshot has no stream %q", stream)
}
