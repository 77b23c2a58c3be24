//go:build !race

package sqlite_test

const (
	liveSecrets = 100_000
	shapeRows   = 3_000
)
