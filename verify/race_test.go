//go:build race

package verify_test

// One in eight: what races does not depend on which objects were swapped.
const everySwap = 8

// memoryVault is less under the race detector, which makes zstd ten times slower.
const memoryVault = 192 << 20
