// Package sqlitetest has what the tests of both ways of a sqlite dump share: databases that a
// test writes, closes or leaves as a power cut would, and a dump that is recorded.
package sqlitetest
