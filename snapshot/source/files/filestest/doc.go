// Package filestest has what the tests of both ways of a files dump share: a tree with one
// of everything, a description of a tree to compare, and a dump that is kept in memory.
// It imports nothing of what it helps to test.
package filestest
