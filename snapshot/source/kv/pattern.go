package kv

import (
	"fmt"
	"path"
	"strings"
)

// A Pattern chooses secrets. It is a mount and a path below it, name by name as path.Match has it (*, ?,
// [a-z], and \ before a character that means itself), and ** stands for any number of names. What it
// matches it chooses with all that lies below: "secret", "secret/app/*", "**/ci". A secret and a folder
// of one name are chosen together; "secret/app/**" is the folder alone, and "=secret/app", with a
// sign in front, the secret alone.
type Pattern struct {
	text  string
	names []string
	exact bool
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
	trimmed, exact := strings.CutPrefix(text, "=")
	p.exact = exact
	trimmed = strings.Trim(trimmed, "/")
	if trimmed == "" {
		return Pattern{}, fmt.Errorf("pattern %q matches nothing; write %q for everything", text, "**")
	}
	for name := range strings.SplitSeq(trimmed, "/") {
		if _, err := path.Match(name, ""); err != nil {
			return Pattern{}, fmt.Errorf("pattern %q: %w", text, err)
		}
		if name == "**" && len(p.names) > 0 && p.names[len(p.names)-1] == "**" {
			continue
		}
		p.names = append(p.names, name)
	}
	return p, nil
}

func (p Pattern) String() string { return p.text }

// Match reports whether p chooses path, which begins with its mount.
func (p Pattern) Match(path string) bool { return matchNames(p.names, path, p.exact) }

// Reaches reports whether p may choose something in folder or below it.
func (p Pattern) Reaches(folder string) bool {
	names := p.names
	for rest := folder; rest != ""; names = names[1:] {
		if len(names) == 0 {
			return !p.exact
		}
		if names[0] == "**" {
			return true
		}
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if ok, err := path.Match(names[0], name); err != nil || !ok {
			return false
		}
	}
	return len(names) > 0 || !p.exact
}

// covers reports whether p chooses all that is below folder, so that nobody need look into it.
func (p Pattern) covers(folder string) bool {
	if p.exact {
		return false
	}
	if p.Match(folder) {
		return true
	}
	last := len(p.names) - 1
	if p.names[last] != "*" && p.names[last] != "**" {
		return false
	}
	return last > 0 && matchNames(p.names[:last], folder, false)
}

// matchNames matches patterns against the first names of rest; all below is chosen too, unless exact.
func matchNames(patterns []string, rest string, exact bool) bool {
	if len(patterns) == 0 {
		return !exact || rest == ""
	}
	if rest == "" {
		return false
	}
	name, below, _ := strings.Cut(rest, "/")
	if patterns[0] == "**" {
		return len(patterns) == 1 || matchNames(patterns[1:], rest, exact) || matchNames(patterns, below, exact)
	}
	ok, err := path.Match(patterns[0], name)
	return err == nil && ok && matchNames(patterns[1:], below, exact)
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

// coversAny reports whether one of patterns chooses all below folder.
func coversAny(patterns []Pattern, folder string) bool {
	for _, p := range patterns {
		if p.covers(folder) {
			return true
		}
	}
	return false
}
