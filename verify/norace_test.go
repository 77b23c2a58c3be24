//go:build !race

package verify_test

const everySwap = 1
