package script

import (
	"bytes"
	"fmt"
	"strings"
)

// complaints takes what pg_dump writes to its standard error, which with --verbose is long, and
// keeps the first errors.
type complaints struct {
	warn   func(string)
	line   []byte // not yet at its end, cut at maxLine
	errors []string
}

const (
	maxLine   = 1 << 10
	maxErrors = 3
)

func (c *complaints) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		piece, rest, whole := bytes.Cut(p, []byte{'\n'})
		c.line = append(c.line, piece[:min(len(piece), maxLine-len(c.line))]...)
		if whole {
			c.take(string(c.line))
			c.line = c.line[:0]
		}
		p = rest
	}
	return n, nil
}

func (c *complaints) take(line string) {
	if _, text, ok := strings.Cut(line, "warning: "); ok && c.warn != nil {
		c.warn("pg_dump: " + text)
	}
	_, text, ok := strings.Cut(line, "error: ")
	if ok && len(c.errors) < maxErrors {
		c.errors = append(c.errors, text)
	}
}

// explain adds what pg_dump complained of to how it ended.
func (c *complaints) explain(err error) error {
	c.take(string(c.line))
	c.line = nil
	if len(c.errors) == 0 {
		return fmt.Errorf("pg_dump ended with %w", err)
	}
	return fmt.Errorf("pg_dump ended with %w: %s", err, strings.Join(c.errors, "; "))
}
