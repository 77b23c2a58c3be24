package postgres

import (
	"fmt"
	"slices"

	"holdfast/restore"
	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/script"
)

// pickable are the kinds of relations that patterns name.
var pickable = map[string]bool{"TABLE": true, "VIEW": true, "MATERIALIZED VIEW": true, "FOREIGN TABLE": true, "SEQUENCE": true}

// pick leaves in the plan what patterns choose, with all that it needs. Rows come with every table
// that is made.
func (p *plan) pick(patterns []string) error {
	parsed, err := parsePatterns(patterns)
	if err != nil {
		return err
	}
	used := make([]bool, len(patterns))
	pre, post := script.Pick(&script.Script{Entries: p.pre}, &script.Script{Entries: p.post}, func(e script.Entry) bool {
		if !pickable[e.Type] {
			return false
		}
		found := false
		for i, pattern := range parsed {
			if pattern.Match(e.Schema, e.Name) {
				used[i], found = true, true
			}
		}
		return found
	})
	var unused restore.Problems
	for i, pattern := range patterns {
		if !used[i] {
			unused = append(unused, fmt.Errorf("%s: %w", pattern, ErrNoMatch))
		}
	}
	if err := unused.ErrOrNil(); err != nil {
		return err
	}
	p.noteOrphans(pre)
	p.pre, p.post = pre.Entries, post.Entries
	made := map[key]bool{}
	for _, e := range slices.Concat(p.pre, p.post) {
		made[keyOf(e)] = true
	}
	p.tables = slices.DeleteFunc(p.tables, func(t *table) bool { return !made[key{"TABLE", t.schema, t.name}] })
	p.sequences = slices.DeleteFunc(p.sequences, func(s sequence) bool { return !made[key{"SEQUENCE", s.of.Schema, s.of.Name}] })
	p.views = slices.DeleteFunc(p.views, func(v source.View) bool { return !made[key{"MATERIALIZED VIEW", v.Schema, v.Name}] })
	return nil
}

func parsePatterns(texts []string) ([]source.Pattern, error) {
	var list []source.Pattern
	var unread restore.Problems
	for _, text := range texts {
		pattern, err := source.ParsePattern(text)
		if err != nil {
			unread = append(unread, err)
		}
		list = append(list, pattern)
	}
	return list, unread.ErrOrNil()
}

// noteOrphans notes which of the tables that were picked leave their parent behind.
func (p *plan) noteOrphans(pre *script.Script) {
	attached := map[script.Relation]bool{}
	made := map[script.Relation]bool{}
	for _, e := range pre.Entries {
		switch e.Type {
		case "TABLE ATTACH":
			attached[e.Relation()] = true
		case "TABLE":
			made[e.Relation()] = true
		}
	}
	for _, e := range p.pre {
		if n := e.Relation(); e.Type == "TABLE ATTACH" && made[n] && !attached[n] {
			p.notes = append(p.notes, fmt.Sprintf("%s is a partition of a table that was not chosen: it is restored as a table of its own", n))
		}
	}
}
