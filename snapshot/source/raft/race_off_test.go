//go:build !race

package raft

// large is an archive that would not fit into the memory allowed.
const large = 512 << 20
