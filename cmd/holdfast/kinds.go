package main

import (
	"maps"
	"slices"
	"strings"
)

// handledKinds are the kinds of vault that this version dumps, checks and restores.
func handledKinds() []string { return slices.Sorted(maps.Keys(checkers())) }

// checkKind refuses a kind that a configuration may hold and this version cannot handle.
func checkKind(kind string) error {
	if slices.Contains(handledKinds(), kind) {
		return nil
	}
	return advise(unknownKind(kind), "this version handles vaults of the kinds "+enumerate(handledKinds()))
}

// enumerate writes words as a sentence lists them.
func enumerate(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
