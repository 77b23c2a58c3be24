package files

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"holdfast/snapshot"
)

// The two streams of a dump.
const (
	TreeStream  = "tree.tar"
	IndexStream = "tree.index"
)

// Root is the path of the directory that was dumped. The only entry of a dump of one file
// has that file's name as its path instead.
const Root = "."

// A Kind is what an entry is. Sockets have none: they mean nothing without their process.
type Kind string

// The kinds, as the index spells them.
const (
	File        Kind = "file"
	Dir         Kind = "dir"
	Symlink     Kind = "symlink"
	HardLink    Kind = "hardlink"
	Fifo        Kind = "fifo"
	CharDevice  Kind = "char"
	BlockDevice Kind = "block"
)

// An Entry is one name in a tree. Its path is relative, slash-separated and any bytes
// but NUL: it need not be UTF-8.
type Entry struct {
	Path         string
	Kind         Kind
	Mode         uint32 // permissions with setuid, setgid and sticky: at most 0o7777
	UID, GID     int
	Owner, Group string // names at the source; empty if they had none
	MTime        time.Time
	Link         string // what a symlink says, or the path of the first name of a hard link
	Major, Minor uint32 // of a device
	XAttrs       map[string][]byte

	// Where the data is in tree.tar, for a file and for a hard link to one.
	Offset int64
	Size   int64
	SHA256 snapshot.Digest // of the data
	Sparse bool            // runs of zeros were holes
	Shared bool            // a file with more names, which may follow as hard links
}

// HasData reports whether e names data in tree.tar.
func (e *Entry) HasData() bool { return e.Kind == File || e.Kind == HardLink }

// Limits of what is dumped and of what is believed when a dump is read.
const (
	maxPath   = 64 << 10  // bytes of one path
	maxDepth  = 512       // directories inside each other; each holds one descriptor
	maxLink   = 4095      // bytes of a symlink, the kernel's own limit
	maxXAttrs = 256 << 10 // bytes of names and values on one entry
	maxShared = 1 << 20   // files with several names: what is held in memory for them
	maxName   = 1 << 10   // bytes of an owner's name
)

// check says what is impossible about e taken alone.
func (e *Entry) check() error {
	if e.Path != Root {
		if err := checkPath(e.Path); err != nil {
			return err
		}
	}
	if e.Mode > 0o7777 {
		return fmt.Errorf("mode %#o", e.Mode)
	}
	if e.UID < 0 || e.GID < 0 || len(e.Owner) > maxName || len(e.Group) > maxName {
		return errors.New("impossible owner")
	}
	if e.Size < 0 || e.Offset < 0 || e.Offset+e.Size < 0 || e.Offset%512 != 0 {
		return fmt.Errorf("size %d at offset %d", e.Size, e.Offset)
	}
	if !e.HasData() && (e.Size != 0 || e.Offset != 0 || e.Sparse || e.Shared) {
		return fmt.Errorf("a %s with data", e.Kind)
	}
	if size := xattrsSize(e.XAttrs); size > maxXAttrs {
		return fmt.Errorf("%d bytes of extended attributes", size)
	}
	return e.checkKind()
}

func (e *Entry) checkKind() error {
	switch e.Kind {
	case File, Dir, Fifo, CharDevice, BlockDevice:
		if e.Link != "" {
			return fmt.Errorf("a %s with a link target", e.Kind)
		}
	case Symlink:
		if e.Link == "" || len(e.Link) > maxLink || strings.IndexByte(e.Link, 0) >= 0 {
			return errors.New("impossible symlink target")
		}
	case HardLink:
		return checkPath(e.Link)
	default:
		return fmt.Errorf("kind %q", e.Kind)
	}
	return nil
}

// checkPath refuses every path that is not plainly below the root.
func checkPath(p string) error {
	if p == "" || len(p) > maxPath {
		return fmt.Errorf("path of %d bytes", len(p))
	}
	if strings.IndexByte(p, 0) >= 0 {
		return errors.New("path with a NUL")
	}
	depth := 0
	for s := range strings.SplitSeq(p, "/") {
		if s == "" || s == "." || s == ".." {
			return errors.New("path that is not plainly below the root")
		}
		depth++
	}
	if depth > maxDepth {
		return fmt.Errorf("path %d names deep", depth)
	}
	return nil
}

// sameHeader reports whether a and b agree in all that a tar header holds.
func sameHeader(a, b *Entry) bool {
	return a.Path == b.Path && a.Kind == b.Kind && a.Mode == b.Mode && a.Link == b.Link &&
		a.UID == b.UID && a.GID == b.GID && a.Owner == b.Owner && a.Group == b.Group &&
		a.MTime.Equal(b.MTime) && a.Major == b.Major && a.Minor == b.Minor &&
		(a.Kind != File || a.Size == b.Size) && maps.EqualFunc(a.XAttrs, b.XAttrs, bytes.Equal)
}

// Parent is the path of the directory that holds p.
func Parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return Root
}

// Base is the last name of p.
func Base(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// before reports whether p comes before q in a dump: name by name, bytewise, so that a
// directory is followed by all it holds. It is the order of `tar --sort=name`.
func before(p, q string) bool {
	for i := 0; i < len(p) && i < len(q); i++ {
		if p[i] == q[i] {
			continue
		}
		if p[i] == '/' || q[i] == '/' {
			return p[i] == '/'
		}
		return p[i] < q[i]
	}
	return len(p) < len(q)
}

func xattrsSize(x map[string][]byte) int {
	n := 0
	for name, value := range x {
		n += len(name) + len(value)
	}
	return n
}
