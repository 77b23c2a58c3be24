package files

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"holdfast/snapshot"
)

// A Source dumps one directory tree or one file. It implements snapshot.Source.
type Source struct {
	Path          string   // a directory or a file; a symlink here, and only here, is followed
	Exclude       []string // patterns (see Pattern) of what to leave out
	OnChange      string   // what a change during the dump means: "fail" (or empty) or "warn"
	OneFileSystem bool     // do not enter directories where another file system is mounted
	AllowEmpty    bool     // an empty directory or file is no error
	Retries       int      // how often a small file that changes is read again; 0 means 3
}

var (
	// ErrChanged means that the tree changed while it was read, so that what was read is
	// not what was there at any one time. Another run may do better.
	ErrChanged = errors.New("changed while it was read")
	// ErrEmpty means that there is nothing to dump.
	ErrEmpty = errors.New("nothing to dump")
)

// Facts go with tree.tar. They are encrypted, unlike warnings, so they may name paths.
type Facts struct {
	Root          string   `json:"root"`    // "dir" or "file"
	Entries       int64    `json:"entries"` // same as rows
	Devices       int64    `json:"devices,omitempty"`
	Space         int64    `json:"space"` // bytes that a restored tree needs, holes left out
	Sockets       int64    `json:"sockets,omitempty"`
	Mounts        int64    `json:"mounts,omitempty"` // directories not entered for OneFileSystem
	Changed       int64    `json:"changed,omitempty"`
	ChangedSample []string `json:"changed_sample,omitempty"` // up to ten paths, quoted as in Go
}

// Dump writes the tree below s.Path. On nil, both streams are whole and, unless OnChange is
// "warn", nothing in the tree changed between the beginning and the end. An
// unreadable entry is an error: there is no dump of a part.
func (s *Source) Dump(ctx context.Context, d snapshot.Dump) error {
	if err := s.dump(ctx, d); err != nil {
		return fmt.Errorf("reading %s: %w", s.Path, err)
	}
	return nil
}

// settings are a Source's fields, checked.
type settings struct {
	exclude []Pattern
	oneFS   bool
	warn    bool
	retries int
}

func (s *Source) settings() (settings, error) {
	set := settings{oneFS: s.OneFileSystem, warn: s.OnChange == "warn", retries: s.Retries}
	if s.OnChange != "" && s.OnChange != "fail" && s.OnChange != "warn" {
		return set, fmt.Errorf(`on change %q: use "fail" or "warn"`, s.OnChange)
	}
	if s.Retries < 0 {
		return set, fmt.Errorf("%d retries", s.Retries)
	}
	if s.Retries == 0 {
		set.retries = 3
	}
	var err error
	set.exclude, err = ParsePatterns(s.Exclude)
	return set, err
}

// open opens both streams, the tree first.
func open(ctx context.Context, d snapshot.Dump, size, entries int64) (tree, index snapshot.StreamWriter, err error) {
	const member, line = 1536, 320 // bytes of a header and of a line, on average
	tree, err = d.Stream(ctx, snapshot.Stream{Name: TreeStream, Format: "tar", Size: size + entries*member})
	if err != nil {
		return nil, nil, err
	}
	index, err = d.Stream(ctx, snapshot.Stream{Name: IndexStream, Format: "jsonl", Size: entries * line})
	return tree, index, err
}

// warn says what people should know, in numbers only: warnings are stored in the clear.
func warn(d snapshot.Dump, f *Facts) {
	if f.Changed > 0 {
		d.Warn(fmt.Sprintf("%d entries changed while the tree was read; what was read of them is kept", f.Changed))
	}
	if f.Sockets > 0 {
		d.Warn(fmt.Sprintf("%d sockets were left out", f.Sockets))
	}
	if f.Mounts > 0 {
		d.Warn(fmt.Sprintf("%d other file systems were not entered", f.Mounts))
	}
}

func about(root string) snapshot.Server {
	return snapshot.Server{Product: "files", Version: runtime.GOOS, Facts: map[string]string{"root": root}}
}
