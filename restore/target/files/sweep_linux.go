package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/restore"
)

// sweep removes what killed restores to path left, and puts back what one had moved aside. A
// rehearsal only finds out. The notes say what was done, or would be.
func (t *Target) sweep(path string) (notes []string, err error) {
	stages, err := stagingFolders(path)
	if err != nil {
		return nil, fmt.Errorf("looking for what a killed restore left: %w", err)
	}
	for _, stage := range stages {
		note, err := t.sweepOne(path, stage)
		if err != nil {
			return nil, fmt.Errorf("removing what a killed restore left: %w", err)
		}
		notes = append(notes, note...)
	}
	return notes, nil
}

// stagingFolders are those that restores to path use or used.
func stagingFolders(path string) ([]string, error) {
	parent, prefix := filepath.Dir(path), stagingPrefix(filepath.Base(path))
	entries, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var stages []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && e.IsDir() {
			stages = append(stages, filepath.Join(parent, e.Name()))
		}
	}
	return stages, err
}

// sweepOne sweeps one staging folder, unless its process is alive: that holds the lock.
func (t *Target) sweepOne(path, stage string) (notes []string, err error) {
	lock, err := os.OpenFile(filepath.Join(stage, lockName), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, t.sweepUnlocked(stage)
	}
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	old := filepath.Join(stage, oldName)
	orphan := exists(old) && !exists(path)
	if t.Rehearse {
		return t.wouldSweep(path, stage, orphan)
	}
	notes = []string{"removed " + stage + ", which a killed restore had left"}
	if orphan {
		if err := os.Rename(old, path); err != nil {
			return nil, err
		}
		notes = append(notes, "put back what a killed restore had moved aside")
	}
	return notes, removeAll(stage)
}

// wouldSweep says what sweeping stage would do, and whether it would stand in the way.
func (t *Target) wouldSweep(path, stage string, orphan bool) ([]string, error) {
	notes := []string{stage + " was left by a killed restore; a restore will remove it"}
	if !orphan {
		return notes, nil
	}
	if !t.Replace {
		return nil, fmt.Errorf("%s was moved aside into %s by a killed restore, and a restore will put it back: %w", path, stage, restore.ErrOccupied)
	}
	return append(notes, "what is in it will be put back first"), nil
}

// sweepUnlocked removes a folder without a lock unless it is so young that its process may
// be about to make one.
func (t *Target) sweepUnlocked(stage string) error {
	info, err := os.Lstat(stage)
	if err != nil || t.Rehearse || time.Since(info.ModTime()) < time.Minute {
		return err
	}
	return removeAll(stage)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
