package config

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean is a hint naming the one of known that is nearest to word, if one is within
// two edits; otherwise it lists them when they are few.
func didYouMean(word string, known []string) string {
	if best := Nearest(word, known); best != "" {
		return fmt.Sprintf("did you mean `%s`?", best)
	}
	if len(known) == 0 || len(known) > 12 {
		return ""
	}
	return "known: " + strings.Join(known, ", ")
}

// Nearest returns the one of known within two edits of word with the fewest, or "". A word
// is never "near" one that shares nothing with it, so short words allow fewer edits.
func Nearest(word string, known []string) string {
	best, fewest := "", min(2, len(word)-1)+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		if n := edits(strings.ToLower(word), k, fewest); n < fewest {
			best, fewest = k, n
		}
	}
	return best
}

// edits is the Levenshtein distance of a and b, or any number at or above most when their
// lengths alone say so.
func edits(a, b string, most int) int {
	if d := len(a) - len(b); d >= most || -d >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
