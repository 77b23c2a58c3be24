//go:build !linux

package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
)

// Elsewhere than on Linux files have names from the beginning, free space is found out by
// writing, and locks by taking them.

func openNameless(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func linkNameless(*os.File, string) error { return errors.ErrUnsupported }

func forgetCache(*os.File) {}

func writable(string) error { return nil }

func freeSpace(string) (uint64, error) { return math.MaxUint64, nil }

func inUse(string) (bool, error) { return false, nil }

func keepAttributes(f *os.File, _ string, old fs.FileInfo) (notes []string) {
	if err := f.Chmod(old.Mode().Perm()); err != nil {
		notes = append(notes, fmt.Sprintf("the mode of the old database could not be kept: %v", err))
	}
	return notes
}
