package postgres

import (
	"fmt"
	"slices"
	"strings"

	"holdfast/restore"
	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/script"
)

// pickable are the kinds of relations that patterns name.
var pickable = map[string]bool{"TABLE": true, "VIEW": true, "MATERIALIZED VIEW": true, "FOREIGN TABLE": true, "SEQUENCE": true}

// pick leaves in the plan what patterns choose, with all that it needs. Rows come with every table
// that is made.
func (p *plan) pick(patterns []string) error {
	used := make([]bool, len(patterns))
	pre, post := script.Pick(&script.Script{Entries: p.pre}, &script.Script{Entries: p.post}, func(e script.Entry) bool {
		if !pickable[e.Type] {
			return false
		}
		found := false
		for i, pattern := range patterns {
			if glob(pattern, e.Name) || glob(pattern, e.Schema+"."+e.Name) {
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

// glob matches * with any characters and ? with one. It goes back to the last * only.
func glob(pattern, name string) bool {
	p, s := []rune(pattern), []rune(name)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(string(p[i:]), "*") == ""
}
