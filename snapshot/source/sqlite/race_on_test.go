//go:build race

package sqlite_test

// The race detector makes SQLite, which is Go here, about thirty times as slow; what it looks
// for does not depend on the size of a vault.
const (
	liveSecrets = 5_000
	shapeRows   = 800
)
