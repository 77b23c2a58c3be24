package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/dustin/go-humanize"

	"holdfast/restore"
)

// sides are the files that SQLite keeps beside a database and plays into it.
var sides = []string{"-wal", "-shm", "-journal"}

// folderProblems looks at the folder that the database goes into.
func folderProblems(dir string, need int64) []error {
	info, err := os.Stat(dir)
	if err != nil {
		return []error{fmt.Errorf("looking at the folder: %w", err)}
	}
	if !info.IsDir() {
		return []error{fmt.Errorf("looking at the folder: %s: %w", dir, syscall.ENOTDIR)}
	}
	var found []error
	if err := writable(dir); err != nil {
		found = append(found, &fs.PathError{Op: "writing to", Path: dir, Err: err})
	}
	free, err := freeSpace(dir)
	if err != nil {
		found = append(found, fmt.Errorf("asking for the free space of %s: %w", dir, err))
	} else if free < uint64(max(need, 0)) {
		found = append(found, fmt.Errorf("%s needs %s and has %s: %w", dir, humanize.IBytes(uint64(need)), humanize.IBytes(free), syscall.ENOSPC))
	}
	return found
}

// nameProblems looks at what has the name of the database or of its side files.
func (t *Target) nameProblems(path string) []error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t.sideProblems(path)
	}
	if err != nil {
		return []error{err}
	}
	if !info.Mode().IsRegular() {
		return []error{fmt.Errorf("%s is not a regular file: %w", path, restore.ErrOccupied)}
	}
	if !t.Replace {
		return append([]error{fmt.Errorf("%s exists: %w", path, restore.ErrOccupied)}, t.sideProblems(path)...)
	}
	if err := wantDatabase(path); err != nil {
		return []error{err}
	}
	used, err := inUse(path)
	if err != nil {
		return []error{fmt.Errorf("asking for locks on %s: %w", path, err)}
	}
	if used {
		return []error{fmt.Errorf("replacing %s: %w", path, ErrInUse)}
	}
	return nil
}

// magic begins every SQLite database that has a page.
const magic = "SQLite format 3\x00"

// wantDatabase returns an error matching ErrNotDatabase if the file at path is neither empty
// nor a SQLite database, whole or damaged.
func wantDatabase(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	switch {
	case err == io.EOF:
		return nil
	case err != nil && err != io.ErrUnexpectedEOF:
		return err
	case string(head[:n]) != magic:
		return fmt.Errorf("replacing %s: %w", path, ErrNotDatabase)
	}
	return nil
}

func (t *Target) sideProblems(path string) []error {
	if t.Replace {
		return nil
	}
	var found []error
	for _, side := range sides {
		_, err := os.Lstat(path + side)
		switch {
		case err == nil:
			found = append(found, fmt.Errorf("%s is of another database and would be played into this one: %w", path+side, restore.ErrOccupied))
		case !errors.Is(err, fs.ErrNotExist):
			found = append(found, err)
		}
	}
	return found
}
