package files

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"holdfast/snapshot"
)

// maxLine holds an entry at all its limits, each byte of its names escaped.
const maxLine = 2 << 20

// A line is one entry as the index spells it. A name that is not UTF-8 is in the field
// that ends in _base64, since JSON would change it.
type line struct {
	Path       string            `json:"path,omitempty"`
	PathBytes  []byte            `json:"path_base64,omitempty"`
	Type       Kind              `json:"type"`
	Offset     int64             `json:"offset,omitempty"`
	Size       int64             `json:"size,omitempty"`
	SHA256     *snapshot.Digest  `json:"sha256,omitempty"`
	Sparse     bool              `json:"sparse,omitempty"`
	Shared     bool              `json:"shared,omitempty"`
	Link       string            `json:"link,omitempty"`
	LinkBytes  []byte            `json:"link_base64,omitempty"`
	Device     string            `json:"device,omitempty"` // MAJOR:MINOR
	Mode       string            `json:"mode"`             // octal
	UID        int               `json:"uid"`
	GID        int               `json:"gid"`
	Owner      string            `json:"owner,omitempty"`
	OwnerBytes []byte            `json:"owner_base64,omitempty"`
	Group      string            `json:"group,omitempty"`
	GroupBytes []byte            `json:"group_base64,omitempty"`
	MTime      string            `json:"mtime"` // seconds since 1970, rounded down, and nine digits of nanoseconds
	XAttrs     map[string][]byte `json:"xattrs,omitempty"`
}

// An indexWriter writes the index. Equal entries give equal bytes.
type indexWriter struct {
	enc *json.Encoder
}

func newIndexWriter(w io.Writer) *indexWriter {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &indexWriter{enc}
}

func (w *indexWriter) write(e *Entry) error {
	l := line{
		Type: e.Kind, Offset: e.Offset, Size: e.Size, Sparse: e.Sparse, Shared: e.Shared,
		Mode: fmt.Sprintf("%04o", e.Mode), UID: e.UID, GID: e.GID, XAttrs: e.XAttrs,
		MTime: fmt.Sprintf("%d.%09d", e.MTime.Unix(), e.MTime.Nanosecond()),
	}
	l.Path, l.PathBytes = spell(e.Path)
	l.Link, l.LinkBytes = spell(e.Link)
	l.Owner, l.OwnerBytes = spell(e.Owner)
	l.Group, l.GroupBytes = spell(e.Group)
	if e.HasData() {
		l.SHA256 = &e.SHA256
	}
	if e.Kind == CharDevice || e.Kind == BlockDevice {
		l.Device = fmt.Sprintf("%d:%d", e.Major, e.Minor)
	}
	return w.enc.Encode(l)
}

// spell puts name where it survives.
func spell(name string) (string, []byte) {
	if utf8.ValidString(name) {
		return name, nil
	}
	return "", []byte(name)
}

// An IndexReader reads an index. It hands out only entries that are possible in their
// order: each path once, its directory before it, hard links to files that went before.
type IndexReader struct {
	lines *bufio.Scanner
	order sequence
	bytes int64
}

// NewIndexReader returns a reader of the index that r reads. It holds at most two lines
// and 72 bytes for each file with several names.
func NewIndexReader(r io.Reader) *IndexReader {
	x := &IndexReader{order: newSequence()}
	x.lines = bufio.NewScanner(r)
	x.lines.Buffer(make([]byte, 64<<10), maxLine)
	x.lines.Split(x.split)
	return x
}

// Next returns the next entry, and io.EOF after the last.
func (x *IndexReader) Next() (Entry, error) {
	if !x.lines.Scan() {
		return Entry{}, x.end()
	}
	e, err := parseLine(x.lines.Bytes())
	if err == nil {
		err = e.check()
	}
	if err == nil {
		err = x.order.add(&e)
	}
	if err != nil {
		return Entry{}, snapshot.Damaged(IndexStream, "line %d: %w", x.order.count+1, err)
	}
	return e, nil
}

// Bytes is how much of the index was read.
func (x *IndexReader) Bytes() int64 { return x.bytes }

func (x *IndexReader) end() error {
	err := x.lines.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong), errors.Is(err, errUnended):
		return snapshot.Damaged(IndexStream, "line %d: %w", x.order.count+1, err)
	case err != nil:
		return err // of the stream, which names itself
	case x.order.count == 0:
		return snapshot.Damaged(IndexStream, "no entry")
	}
	return io.EOF
}

var errUnended = errors.New("line without an end")

// split is bufio.ScanLines, but a line must end.
func (x *IndexReader) split(data []byte, atEOF bool) (int, []byte, error) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		if atEOF && len(data) > 0 {
			return 0, nil, errUnended
		}
		return 0, nil, nil
	}
	x.bytes += int64(i + 1)
	return i + 1, data[:i], nil
}

func parseLine(b []byte) (Entry, error) {
	var l line
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return Entry{}, err
	}
	if dec.InputOffset() != int64(len(b)) {
		return Entry{}, errors.New("more than one value")
	}
	e := Entry{
		Path: l.Path + string(l.PathBytes), Kind: l.Type, Link: l.Link + string(l.LinkBytes),
		UID: l.UID, GID: l.GID, Owner: l.Owner + string(l.OwnerBytes), Group: l.Group + string(l.GroupBytes),
		Offset: l.Offset, Size: l.Size, Sparse: l.Sparse, Shared: l.Shared, XAttrs: l.XAttrs,
	}
	mode, err := strconv.ParseUint(l.Mode, 8, 32)
	if err != nil {
		return Entry{}, fmt.Errorf("mode %.20q", l.Mode)
	}
	e.Mode = uint32(mode)
	if e.HasData() != (l.SHA256 != nil) {
		return Entry{}, fmt.Errorf("a %.10s with or without a digest", l.Type)
	}
	if l.SHA256 != nil {
		e.SHA256 = *l.SHA256
	}
	if err := e.parseTime(l.MTime); err != nil {
		return Entry{}, err
	}
	return e, e.parseDevice(l.Device)
}

func (e *Entry) parseTime(s string) error {
	whole, part, ok := strings.Cut(s, ".")
	sec, err1 := strconv.ParseInt(whole, 10, 64)
	nsec, err2 := strconv.ParseUint(part, 10, 32)
	if !ok || len(part) != 9 || err1 != nil || err2 != nil {
		return fmt.Errorf("time %.40q", s)
	}
	e.MTime = instant(sec, int64(nsec))
	return nil
}

func (e *Entry) parseDevice(s string) error {
	if e.Kind != CharDevice && e.Kind != BlockDevice {
		if s != "" {
			return fmt.Errorf("a %.10s with a device number", e.Kind)
		}
		return nil
	}
	major, minor, _ := strings.Cut(s, ":")
	a, err1 := strconv.ParseUint(major, 10, 32)
	b, err2 := strconv.ParseUint(minor, 10, 32)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("device %.40q", s)
	}
	e.Major, e.Minor = uint32(a), uint32(b)
	return nil
}
