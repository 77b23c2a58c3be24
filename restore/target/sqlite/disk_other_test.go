//go:build !linux

package sqlite_test

// Only Linux lets a test have a full disk of its own.
const fullDiskFolder = ""

func restoreOntoFullDisk() int { return 1 }
