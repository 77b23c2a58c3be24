package files

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"holdfast/snapshot"
)

// A sequence judges entries in the order of a dump. It holds the path to the last entry and
// the files that later hard links may name, and nothing else of what went by, because the
// order alone shows that no path comes twice.
type sequence struct {
	count  int64
	last   string
	dirs   []string // directories on the way to last, the root first
	end    int64    // of the data so far in tree.tar
	shared map[[16]byte]extent
}

// An extent is where the data of a file with several names is.
type extent struct {
	offset, size int64
	sum          snapshot.Digest
	sparse       bool
}

func newSequence() sequence { return sequence{shared: map[[16]byte]extent{}} }

// add says why e cannot follow what was added before.
func (s *sequence) add(e *Entry) error {
	if err := s.place(e); err != nil {
		return err
	}
	if err := s.data(e); err != nil {
		return err
	}
	if e.Kind == Dir {
		s.dirs = append(s.dirs, e.Path)
	}
	s.last = e.Path
	s.count++
	return nil
}

// place checks that e comes in order and inside a directory that went before it. A file or
// a symlink is no directory, so nothing can be put through one.
func (s *sequence) place(e *Entry) error {
	if s.count == 0 {
		return firstEntry(e)
	}
	if e.Path == Root {
		return errors.New("the root comes twice")
	}
	if s.last != Root && !before(s.last, e.Path) {
		return errors.New("a path out of order or twice")
	}
	parent := Parent(e.Path)
	for len(s.dirs) > 0 && s.dirs[len(s.dirs)-1] != parent {
		s.dirs = s.dirs[:len(s.dirs)-1]
	}
	if len(s.dirs) == 0 {
		return errors.New("a path outside of every directory")
	}
	return nil
}

func firstEntry(e *Entry) error {
	if e.Path == Root && e.Kind == Dir {
		return nil
	}
	if e.Path != Root && e.Kind == File && Parent(e.Path) == Root {
		return nil // the only entry: no directory is open for another
	}
	return errors.New("neither a directory nor a file at the root")
}

func (s *sequence) data(e *Entry) error {
	x := extent{e.Offset, e.Size, e.SHA256, e.Sparse}
	switch e.Kind {
	case File:
		if e.Offset < s.end {
			return fmt.Errorf("data at %d, inside what went before", e.Offset)
		}
		s.end = e.Offset + e.Size
		if !e.Shared {
			return nil
		}
		if len(s.shared) == maxShared {
			return errTooShared
		}
		s.shared[pathKey(e.Path)] = x
	case HardLink:
		if first, ok := s.shared[pathKey(e.Link)]; !ok || first != x {
			return errors.New("a hard link to no file that went before")
		}
	}
	return nil
}

var errTooShared = fmt.Errorf("more than %d files with several names", maxShared)

func pathKey(path string) [16]byte {
	sum := sha256.Sum256([]byte(path))
	return [16]byte(sum[:16])
}
