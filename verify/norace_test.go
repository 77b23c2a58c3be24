//go:build !race

package verify_test

const everySwap = 1

const memoryVault = 1 << 30
