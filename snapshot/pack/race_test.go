//go:build race

package pack

// vaultSize is less under the race detector, which makes zstd ten times slower.
const vaultSize = 192 << 20
