//go:build !race

package pack

const vaultSize = 1 << 30
