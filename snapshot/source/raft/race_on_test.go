//go:build race

package raft

// large is an archive that would not fit into the memory allowed. The race detector makes packing one take minutes.
const large = 64 << 20
