package script

import (
	"fmt"
	"strings"
)

// split cuts SQL into statements, each with its semicolon and without the comments before it.
func split(sql string) ([]string, error) {
	list, err := spans(sql)
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = sql[s.from:s.to]
	}
	return texts, err
}

// A span is where a statement is.
type span struct{ from, to int }

func spans(sql string) ([]span, error) {
	var list []span
	c := cursor{text: sql}
	for {
		t, err := c.next()
		if err != nil {
			return list, err
		}
		if t.kind == end {
			return list, c.whole()
		}
		if c.closed {
			list = append(list, span{c.from, t.end})
		}
	}
}

// A cursor walks through SQL and knows where statements begin and end.
type cursor struct {
	text string
	at   int

	from   int  // where the statement began
	within bool // a statement has begun and is not at its end
	closed bool // the last token ended a statement

	parens  int
	atomic  int // depth of BEGIN ATOMIC … END and of CASE … END in it
	routine bool
	heads   []string // first words of the statement
}

// next returns the next token.
func (c *cursor) next() (token, error) {
	t, err := next(c.text, c.at)
	if err != nil {
		return t, fmt.Errorf("line %d: %w", 1+strings.Count(c.text[:c.at], "\n"), err)
	}
	c.at = t.end
	c.closed = false
	if t.kind == space || t.kind == comment || t.kind == end {
		return t, nil
	}
	if !c.within {
		if n := restriction(c.text[t.start:]); n > 0 {
			c.at = t.start + n
			return token{kind: comment, start: t.start, end: c.at}, nil
		}
		*c = cursor{text: c.text, at: c.at, from: t.start, within: true}
	}
	switch t.kind {
	case word:
		c.word(t)
	case sign:
		if c.text[t.start] == '\\' { // psql would run it, in the middle of a statement, too
			return t, fmt.Errorf("line %d: a command of psql is not SQL", 1+strings.Count(c.text[:t.start], "\n"))
		}
		c.sign(c.text[t.start])
	}
	return t, nil
}

// restriction is the length of a line by which pg_dump keeps psql from taking other commands of psql;
// no other command may be in a script.
func restriction(s string) int {
	n := lineOf(s)
	if command, _, _ := strings.Cut(strings.TrimRight(s[:n], " \t\r"), " "); command == `\restrict` || command == `\unrestrict` {
		return n
	}
	return 0
}

// whole reports whether the text so far ends between statements.
func (c *cursor) whole() error {
	if c.within {
		return fmt.Errorf("line %d: the statement has no end", 1+strings.Count(c.text[:c.from], "\n"))
	}
	return nil
}

func (c *cursor) sign(b byte) {
	switch b {
	case '(':
		c.parens++
	case ')':
		c.parens--
	case ';':
		if c.parens <= 0 && c.atomic == 0 {
			c.within, c.closed = false, true
		}
	}
}

// word follows the bodies of functions that are written in SQL itself: their semicolons end no
// statement. The server writes such bodies, and quotes names that are reserved words, as CASE and
// END are.
func (c *cursor) word(t token) {
	w := strings.ToUpper(c.text[t.start:t.end])
	if len(c.heads) < 4 {
		c.heads = append(c.heads, w)
		c.routine = isRoutine(c.heads)
	}
	if !c.routine || c.parens > 0 {
		return
	}
	switch {
	case w == "BEGIN" && c.atomic == 0 && strings.EqualFold(c.ahead(), "ATOMIC"):
		c.atomic++
	case w == "CASE" && c.atomic > 0:
		c.atomic++
	case w == "END" && c.atomic > 0:
		c.atomic--
	}
}

func isRoutine(heads []string) bool {
	if heads[0] != "CREATE" {
		return false
	}
	rest := heads[1:]
	if len(rest) >= 2 && rest[0] == "OR" && rest[1] == "REPLACE" {
		rest = rest[2:]
	}
	return len(rest) > 0 && (rest[0] == "FUNCTION" || rest[0] == "PROCEDURE")
}

// ahead is the word that follows, if a word follows.
func (c *cursor) ahead() string {
	for i := c.at; ; {
		t, err := next(c.text, i)
		switch {
		case err != nil:
			return ""
		case t.kind == word:
			return c.text[t.start:t.end]
		case t.kind != space && t.kind != comment:
			return ""
		}
		i = t.end
	}
}
