package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// An Error is one mistake in a configuration file. Neither Message nor Hint repeats text
// that can be a credential.
type Error struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // from 1
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Errors are all the mistakes found in one file, in the order of their places.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find each mistake.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, err := range e {
		all[i] = err
	}
	return all
}

// maxErrors bounds a report; a file with more mistakes is not meant to be ours.
const maxErrors = 50

// sorted puts the mistakes in the order of the file and drops repeats, which aliases cause.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	e = slices.CompactFunc(e, func(a, b *Error) bool { return *a == *b })
	return e[:min(len(e), maxErrors)]
}

// A position is where something stands in the file, both from 1.
type position struct{ line, column int }

// quote shows a word of the file that is not meant to be a credential, cut short and on one
// line. Words that look like one all the same, put in the wrong place, are not shown.
func quote(s string) string {
	const most = 40
	for _, mark := range []string{"AGE-SECRET-KEY-", "AGE-PLUGIN-", "-----BEGIN", "://", "PRIVATE+KEY+", "password="} {
		if strings.Contains(strings.ToUpper(s), strings.ToUpper(mark)) {
			return "[redacted]"
		}
	}
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
