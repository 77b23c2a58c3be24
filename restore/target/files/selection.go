package files

import (
	"fmt"
	"io"
	"strings"

	"holdfast/snapshot/source/files"
)

// A selection yields the entries of an index that patterns choose, each after the
// directories that lead to it. It holds those directories and the paths of hard links whose
// first name was not chosen.
type selection struct {
	index *files.IndexReader
	only  []files.Pattern
	used  []bool            // which patterns matched
	ready []files.Entry     // to be handed out
	path  []files.Entry     // directories on the way that were not handed out
	first map[string]string // first name of a file -> the first of its names that was chosen

	entries, bytes int64 // chosen so far, with the data of files
}

func newSelection(index *files.IndexReader, only []files.Pattern) *selection {
	return &selection{index: index, only: only, used: make([]bool, len(only)), first: map[string]string{}}
}

// next returns the next entry, and io.EOF after the last. If none was chosen the
// error matches ErrNoMatch instead.
func (s *selection) next() (files.Entry, error) {
	for len(s.ready) == 0 {
		e, err := s.index.Next()
		if err == io.EOF {
			return files.Entry{}, s.end()
		}
		if err != nil {
			return files.Entry{}, err
		}
		s.consider(e)
	}
	e := s.ready[0]
	s.ready = s.ready[1:]
	return e, nil
}

func (s *selection) consider(e files.Entry) {
	for len(s.path) > 0 && !holds(s.path[len(s.path)-1].Path, e.Path) {
		s.path = s.path[:len(s.path)-1]
	}
	if !s.matches(e.Path) {
		if e.Kind == files.Dir {
			s.path = append(s.path, e)
		}
		return
	}
	if e.Kind == files.HardLink {
		s.relink(&e)
	}
	s.entries++
	if e.Kind == files.File {
		s.bytes += e.Size
	}
	s.ready = append(append(s.ready, s.path...), e)
	s.path = nil
}

// relink points a hard link to a name that is restored too, or makes it the file.
func (s *selection) relink(e *files.Entry) {
	first, ok := s.first[e.Link]
	if !ok && s.matches(e.Link) {
		return
	}
	if ok {
		e.Link = first
		return
	}
	s.first[e.Link] = e.Path
	e.Kind, e.Link = files.File, ""
}

func (s *selection) matches(path string) bool {
	found := false
	for i, p := range s.only {
		if p.Match(path) {
			s.used[i], found = true, true
		}
	}
	return found
}

func (s *selection) end() error {
	if len(s.unused()) == len(s.only) {
		return fmt.Errorf("%s: %w", strings.Join(s.unused(), " "), ErrNoMatch)
	}
	return io.EOF
}

// unused lists the patterns that chose nothing.
func (s *selection) unused() []string {
	var unused []string
	for i, p := range s.only {
		if !s.used[i] {
			unused = append(unused, p.String())
		}
	}
	return unused
}

// holds reports whether dir is above path.
func holds(dir, path string) bool {
	return dir == files.Root || strings.HasPrefix(path, dir+"/")
}

// notes says which patterns chose nothing although others did.
func (s *selection) notes() []string {
	var notes []string
	for _, p := range s.unused() {
		notes = append(notes, fmt.Sprintf("%s matches nothing in this snapshot", p))
	}
	return notes
}
