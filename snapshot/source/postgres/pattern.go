package postgres

import (
	"fmt"
	"strings"
)

// A Pattern matches names of tables: "table" or "schema.table", where * stands for any characters
// and ? for one. An element in double quotes, as SQL has it, is a name as it is. Case matters.
type Pattern struct {
	text   string
	schema *glob // nil: any schema
	table  glob
}

// A glob is one element of a pattern.
type glob struct {
	text string
	wild bool
}

// ParsePattern reads a pattern.
func ParsePattern(text string) (Pattern, error) {
	elements, err := parseElements(text)
	if err != nil {
		return Pattern{}, fmt.Errorf("reading the table pattern %q: %w", text, err)
	}
	switch len(elements) {
	case 1:
		return Pattern{text: text, table: elements[0]}, nil
	case 2:
		return Pattern{text: text, schema: &elements[0], table: elements[1]}, nil
	}
	return Pattern{}, fmt.Errorf(`reading the table pattern %q: it has %d elements; put names that hold a dot into double quotes`, text, len(elements))
}

// Match reports whether p matches the table of that name in that schema.
func (p Pattern) Match(schema, table string) bool {
	return (p.schema == nil || p.schema.match(schema)) && p.table.match(table)
}

// parseElements cuts text at its dots, those within quotes excepted.
func parseElements(text string) ([]glob, error) {
	var all []glob
	for rest := text; ; {
		g, left, err := cutElement(rest)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
		if left == "" {
			return all, nil
		}
		rest = left[1:]
	}
}

// cutElement reads one element; what is left is empty or begins with a dot.
func cutElement(text string) (glob, string, error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexByte(text, '.')
		if end < 0 {
			end = len(text)
		}
		if end == 0 {
			return glob{}, "", fmt.Errorf("a name is empty")
		}
		return glob{text: text[:end], wild: strings.ContainsAny(text[:end], "*?")}, text[end:], nil
	}
	var name strings.Builder
	for rest := text[1:]; ; {
		piece, after, closed := strings.Cut(rest, `"`)
		name.WriteString(piece)
		switch {
		case !closed:
			return glob{}, "", fmt.Errorf("a quote is not closed")
		case strings.HasPrefix(after, `"`):
			name.WriteByte('"')
			rest = after[1:]
		case after != "" && after[0] != '.':
			return glob{}, "", fmt.Errorf("a dot is missing after a quote")
		case name.Len() == 0:
			return glob{}, "", fmt.Errorf("a name is empty")
		default:
			return glob{text: name.String()}, after, nil
		}
	}
}

// exact reports whether p can match one name only, be it in several schemas.
func (p Pattern) exact() bool { return !p.table.wild && (p.schema == nil || !p.schema.wild) }

func (p Pattern) match(n name) bool { return p.Match(n.Schema, n.Name) }

func (g glob) match(name string) bool {
	if !g.wild {
		return g.text == name
	}
	return wildMatch([]rune(g.text), []rune(name))
}

// wildMatch goes back to the last * only, so that no pattern takes more than len(p)*len(s) steps.
func wildMatch(p, s []rune) bool {
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
