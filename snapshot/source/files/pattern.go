package files

import (
	"fmt"
	"path"
	"strings"
)

// A Pattern chooses a part of a tree. It is a path from the root of the tree, name by name as
// path.Match has it, and ** stands for any number of names. What it matches it
// chooses with all that lies below: "keys" and "keys/*.pem" and "**/*.key".
type Pattern struct {
	text  string
	names []string
}

// ParsePatterns parses every one of texts.
func ParsePatterns(texts []string) ([]Pattern, error) {
	patterns := make([]Pattern, len(texts))
	for i, text := range texts {
		p, err := ParsePattern(text)
		if err != nil {
			return nil, err
		}
		patterns[i] = p
	}
	return patterns, nil
}

// ParsePattern parses one pattern. A leading and a trailing slash mean nothing.
func ParsePattern(text string) (Pattern, error) {
	p := Pattern{text: text}
	trimmed := strings.Trim(text, "/")
	if trimmed == "" {
		return Pattern{}, fmt.Errorf("pattern %q matches nothing; write %q for everything", text, "**")
	}
	for name := range strings.SplitSeq(trimmed, "/") {
		if _, err := path.Match(name, ""); err != nil {
			return Pattern{}, fmt.Errorf("pattern %q: %w", text, err)
		}
		if name == "" || name == "." || name == ".." {
			return Pattern{}, fmt.Errorf("pattern %q: a name in it is %q", text, name)
		}
		if name == "**" && len(p.names) > 0 && p.names[len(p.names)-1] == "**" {
			continue
		}
		p.names = append(p.names, name)
	}
	return p, nil
}

func (p Pattern) String() string { return p.text }

// Match reports whether p chooses path. No pattern chooses the root itself.
func (p Pattern) Match(path string) bool {
	if path == Root {
		return false
	}
	return matchNames(p.names, path)
}

// matchNames matches patterns against the first names of rest; all below is chosen too.
func matchNames(patterns []string, rest string) bool {
	if len(patterns) == 0 {
		return true
	}
	if rest == "" {
		return false
	}
	name, below, _ := strings.Cut(rest, "/")
	if patterns[0] == "**" {
		return len(patterns) == 1 || matchNames(patterns[1:], rest) || matchNames(patterns, below)
	}
	ok, err := path.Match(patterns[0], name)
	return err == nil && ok && matchNames(patterns[1:], below)
}

// matchAny reports whether one of patterns chooses path.
func matchAny(patterns []Pattern, path string) bool {
	for _, p := range patterns {
		if p.Match(path) {
			return true
		}
	}
	return false
}
