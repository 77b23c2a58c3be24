package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast/cmd/holdfast/config"
	"holdfast/restore"
)

// The exit codes. Anything unknown is exitFailed.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2 // usage or configuration
	exitDamaged     = 3 // damage found: integrity, signature, decrypt
	exitLeased      = 4 // another run holds the lease
	exitObjective   = 5 // an objective was missed
	exitRefused     = 6 // refused for safety
	exitInterrupted = 130
)

// errObjective is matched by what tells that an objective (RPO, RTO, retention, stale) was
// missed, and errRefused by what was not done because it could not be undone.
var (
	errObjective = errors.New("objective missed")
	errRefused   = errors.New("refused")
)

// A hinter is an error that says itself what to do.
type hinter interface {
	error
	Hint() string
}

// judge finds the exit code of err, and what to do about it.
func judge(err error) (code int, hint string) {
	code = exitFailed
	for _, v := range verdicts {
		if v.match(err) {
			code, hint = v.code, v.hint
			break
		}
	}
	switch own := hintOf(err); {
	case own != "":
		hint = own
	case as[restore.Problems](err):
		hint = hintOfEach(err)
	}
	return code, hint
}

// hintOfEach joins what is to be done about each of several problems: to solve the worst is not enough.
func hintOfEach(err error) string {
	var problems restore.Problems
	errors.As(err, &problems)
	var hints []string
	for _, p := range problems {
		if _, hint := judge(p); hint != "" && !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	return strings.Join(hints, "; ")
}

// hintOf is the hint that err carries itself, "" if none.
func hintOf(err error) string {
	if a := (*advised)(nil); errors.As(err, &a) {
		return a.hint
	}
	if h := hinter(nil); errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// A failure is the JSON document of a command that failed.
type failure struct {
	Error    string        `json:"error"`
	Hint     string        `json:"hint,omitempty"`
	Exit     int           `json:"exit"`
	Mistakes config.Errors `json:"mistakes,omitempty"` // in the configuration
}

// fail tells err to people, and with --json to programs, and returns the exit code.
func (a *app) fail(err error) int {
	code, hint := judge(err)
	var mistakes config.Errors
	if errors.As(err, &mistakes) {
		for _, m := range mistakes {
			a.complain(fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Message), m.Hint)
		}
	} else {
		a.complainAll(err)
	}
	if p := (*panicError)(nil); errors.As(err, &p) && a.verbose {
		fmt.Fprintf(a.stderr, "%s", p.stack)
	}
	if a.json && !a.printed {
		a.printed = true
		b, _ := json.Marshal(failure{oneLine(err.Error()), hint, code, mistakes}) // plain strings marshal
		fmt.Fprintf(a.stdout, "%s\n", b)
	}
	return code
}

// complainAll prints each of several errors with its own hint.
func (a *app) complainAll(err error) {
	all, ok := err.(several) // not errors.As: what wraps them says something too
	if !ok {
		all = several{err}
	}
	for _, err := range all {
		_, hint := judge(err)
		a.complain(err.Error(), hint)
	}
}

// complain prints one error and its hint. Where stderr cannot be written to, the exit code
// still tells.
func (a *app) complain(message, hint string) {
	fmt.Fprintf(a.stderr, "error: %s\n", oneLine(message))
	if hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", hint)
	}
}

// oneLine makes a message one line, whatever names of others it quotes.
func oneLine(message string) string {
	return visible(strings.ReplaceAll(message, "\n", "; "))
}

// several are the errors of work on several things, of which none kept the others from going on.
type several []error

// together returns those of errs that are not nil as one error, or nil.
func together(errs ...error) error {
	var all several
	for _, err := range errs {
		if err != nil {
			all = append(all, err)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func (s several) Error() string {
	var texts []string
	for _, err := range s {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

// Unwrap lets errors.Is look into every one.
func (s several) Unwrap() []error { return s }

// advised is an error with a hint of its own, which says nothing of its exit code.
type advised struct {
	error
	hint string
}

// advise adds what to do about err.
func advise(err error, hint string) error { return &advised{err, hint} }

// Unwrap returns the error without its hint.
func (a *advised) Unwrap() error { return a.error }

// interrupted is what a command ended with after a signal asked it to stop.
type interrupted struct{ err error }

func (i *interrupted) Error() string { return "interrupted: " + i.err.Error() }

// Unwrap lets errors.Is find both.
func (i *interrupted) Unwrap() []error { return []error{context.Canceled, i.err} }

// A panicError is a panic on its way to be reported as a failure.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("internal: %v", p.value) }
