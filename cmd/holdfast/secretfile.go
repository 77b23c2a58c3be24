package main

import (
	"errors"
	"fmt"
	"os"

	"holdfast/snapshot"
)

// readHostKey reads a host key that nobody else on this host can read.
func readHostKey(path string) (*snapshot.HostKey, error) {
	f, err := openSecretFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the host key: %w", err)
	}
	defer f.Close()
	h, err := snapshot.ParseHostKey(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// errExposed means that a file with secrets can be read by others.
var errExposed = errors.New("group or others may read it")

// openSecretFile opens a file that nobody else may read, or what another process writes: a pipe
// such as <(pass show key) has modes that say nothing.
func openSecretFile(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("%s: not a file", path)
	case info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0:
		err = fmt.Errorf("%s: %w", path, errExposed)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
