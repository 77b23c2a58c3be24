//go:build !linux

package raft

const helperDir = "HOLDFAST_TEST_SCRATCH_DIR"

func startAndWait(string) {}
