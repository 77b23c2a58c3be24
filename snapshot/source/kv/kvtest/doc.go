// Package kvtest has what the tests of both ways of a KV dump share: a dump that is kept in memory,
// which a source writes and a target reads. It imports nothing of what it helps to test.
package kvtest
