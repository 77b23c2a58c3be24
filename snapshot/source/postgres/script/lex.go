package script

import (
	"errors"
	"strings"
)

// A token is a piece of SQL: text[start:end].
type token struct {
	kind       kind
	start, end int
}

type kind byte

const (
	end     kind = iota
	space        // blanks and line ends
	comment      // -- to the end of the line, or /* */
	word         // a keyword or an identifier without quotes
	quoted       // "identifier"
	literal      // 'text', E'text', $tag$text$tag$
	sign         // one character of anything else, numbers included
)

var errOpen = errors.New("a quote, comment or parenthesis is not closed")

// next returns the token that begins at i.
func next(text string, i int) (token, error) {
	t := token{start: i}
	if i >= len(text) {
		t.end = i
		return t, nil
	}
	c := text[i]
	var n int
	switch {
	case blank(c):
		t.kind, n = space, runOf(text[i:], blank)
	case strings.HasPrefix(text[i:], "--"):
		t.kind, n = comment, lineOf(text[i:])
	case strings.HasPrefix(text[i:], "/*"):
		t.kind, n = comment, nested(text[i:])
	case c == '"':
		t.kind, n = quoted, quotedBy(text[i:], '"', false)
	case c == '\'':
		t.kind, n = literal, quotedBy(text[i:], '\'', false)
	case (c == 'e' || c == 'E') && strings.HasPrefix(text[i+1:], "'"):
		t.kind, n = literal, 1+quotedBy(text[i+1:], '\'', true)
		if n == 1 {
			n = 0
		}
	case c == '$':
		t.kind, n = dollar(text[i:])
	case begins(c):
		t.kind, n = word, runOf(text[i:], continues)
	case '0' <= c && c <= '9':
		t.kind, n = sign, runOf(text[i:], continues)
	default:
		t.kind, n = sign, 1
	}
	if n == 0 {
		return t, errOpen
	}
	t.end = i + n
	return t, nil
}

func blank(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

func begins(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

func continues(c byte) bool { return begins(c) || '0' <= c && c <= '9' || c == '$' }

func runOf(s string, is func(byte) bool) int {
	for i := range len(s) {
		if !is(s[i]) {
			return i
		}
	}
	return len(s)
}

// lineOf is the length of the line without what ends it.
func lineOf(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i
	}
	return len(s)
}

// nested is the length of a comment that may hold others; 0 if it is not closed.
func nested(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// quotedBy is the length of what begins with the quote q; 0 if it is not closed.
func quotedBy(s string, q byte, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] != q:
		case i+1 < len(s) && s[i+1] == q:
			i++
		default:
			return i + 1
		}
	}
	return 0
}

// dollar is the length of a dollar quote, or of the dollar alone where none begins.
func dollar(s string) (kind, int) {
	tag := 1
	if tag < len(s) && begins(s[tag]) {
		tag += runOf(s[tag:], func(c byte) bool { return continues(c) && c != '$' })
	}
	if tag >= len(s) || s[tag] != '$' {
		return sign, 1
	}
	mark := s[:tag+1]
	i := strings.Index(s[tag+1:], mark)
	if i < 0 {
		return literal, 0
	}
	return literal, tag + 1 + i + len(mark)
}
