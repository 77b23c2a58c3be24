package config

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A node is one value of the document. Aliases are resolved: they share the node of their
// anchor, so an alias costs nothing however much it stands for.
type node struct {
	kind    nodeKind
	pos     position
	text    string  // of a scalar, as it means; quotes and escapes undone
	entries []entry // of a mapping, in the file's order
	items   []*node // of a sequence
}

type nodeKind int

const (
	nullNode nodeKind = iota
	textNode
	numberNode
	boolNode
	mapNode
	listNode
	brokenNode // a mistake that was told
)

func (k nodeKind) String() string {
	return [...]string{"nothing", "text", "a number", "true or false", "a mapping", "a list", "a mistake"}[k]
}

// An entry is one key of a mapping and its value.
type entry struct {
	key   string
	pos   position
	value *node
}

// readDocument parses b, which must hold exactly one YAML document. After a mistake that
// leaves the rest readable it returns both what it read and the mistakes.
func readDocument(file string, b []byte) (root *node, errs Errors) {
	fail := func(p position, hint, format string, args ...any) (*node, Errors) {
		return nil, Errors{{File: file, Line: p.line, Column: p.column, Message: fmt.Sprintf(format, args...), Hint: hint}}
	}
	if len(b) > maxFile {
		return fail(position{1, 1}, "", "the file is larger than 1 MiB")
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if p, bad := unprintable(b); bad {
		return fail(p, "save the file as UTF-8 text", "a byte that is not text")
	}
	// The parser is not ours, and is fed by whoever writes the file: its panic is a
	// malformed file, not a crash.
	defer func() {
		if recover() != nil {
			root, errs = fail(position{1, 1}, "", "not well-formed YAML")
		}
	}()
	tokens := lexer.Tokenize(string(b))
	if p, bad := overgrown(tokens); bad {
		return fail(p, "", "the file nests deeper than %d levels or holds more than %d words", maxDepth, maxTokens)
	}
	f, err := parser.Parse(rejoin(tokens), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		p, message, hint := syntaxError(err)
		return fail(p, hint, "%s", message)
	}
	var docs []*ast.DocumentNode
	for _, d := range f.Docs {
		if d.Body != nil {
			docs = append(docs, d)
		}
	}
	if len(docs) == 0 {
		return fail(position{1, 1}, "`holdfast init` writes one to start from", "the file is empty")
	}
	if len(docs) > 1 {
		second := (&tree{anchors: map[string]*node{}}).convert(docs[1].Body, 0)
		return fail(second.pos, "keep one document a file", "a second YAML document begins here")
	}
	t := &tree{file: file, anchors: map[string]*node{}}
	root = t.convert(docs[0].Body, 0)
	return root, t.errs
}

// unprintable finds the first byte that no text file holds.
func unprintable(b []byte) (position, bool) {
	p := position{1, 1}
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return p, true
		}
		p.column++
		if r == '\n' {
			p = position{p.line + 1, 1}
		}
		b = b[n:]
	}
	return position{}, false
}

func tokenPos(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{max(1, t.Position.Line), max(1, t.Position.Column)}
}

// syntaxError takes from a parser's error what may be shown. Its excerpt holds lines of the
// file, and some of its messages quote a value after a double quote: both stay here.
func syntaxError(err error) (p position, message, hint string) {
	var e yaml.Error
	if !errors.As(err, &e) {
		return position{1, 1}, "not well-formed YAML", ""
	}
	message = e.GetMessage()
	for _, known := range syntaxHints {
		if bytes.Contains([]byte(message), []byte(known.part)) {
			return tokenPos(e.GetToken()), known.message, known.hint
		}
	}
	if i := bytes.IndexByte([]byte(message), '"'); i >= 0 {
		message = "not well-formed YAML: " + string(bytes.TrimRight([]byte(message[:i]), ": "))
	}
	return tokenPos(e.GetToken()), message, ""
}

// syntaxHints put the parser's commonest complaints into words a reader can act on.
var syntaxHints = []struct{ part, message, hint string }{
	{`character '\t'`, "a tab stands where only spaces may", "indent with spaces"},
	{"character '\t'", "a tab stands where only spaces may", "indent with spaces"},
	{"end character of double-quoted", "the double-quoted text that begins here never ends", ""},
	{"end character of single-quoted", "the single-quoted text that begins here never ends", ""},
	{"end token '}'", "the `{` here is never closed", ""},
	{"end token ']'", "the `[` here is never closed", ""},
	{"mapping value is not allowed", "a second `key:` on one line, or a wrong indentation", "quote a value that contains a colon and a space"},
	{"unexpected key name", "text without a key, or a key without a colon", ""},
	{"is a reserved character", "a value begins with a character that YAML reserves", "put the value in quotes"},
}
