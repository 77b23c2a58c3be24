// Package store has what every kind of store shares: the wrappers ReadOnly and Counted, and
// Probe, which finds out by trying whether a store keeps the promises of snapshot.Store.
//
// A store that ignores conditional puts would let two writers both win, so Probe is run by
// doctor and before the first use of a repository, and says what is missing in words. It
// writes only under probe/ and removes what it wrote.
//
// The stores themselves are in the folders below: dir for file:///path, s3 for
// s3://bucket/prefix.
package store
