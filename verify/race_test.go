//go:build race

package verify_test

// One in eight: what races does not depend on which objects were swapped.
const everySwap = 8
