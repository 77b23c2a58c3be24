package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// LargeObjects is what Exclude has to say for a whole database to be dumped without its large
// objects, which this package cannot dump.
const LargeObjects = "large objects"

// A name is that of a relation.
type name struct{ Schema, Name string }

// String shows n as SQL would have it, quoted only where it must be.
func (n name) String() string { return display(n.Schema) + "." + display(n.Name) }

// display quotes an identifier if it would not be taken for itself without.
func display(s string) string {
	plain := s != ""
	for i := range len(s) {
		c := s[i]
		plain = plain && (c == '_' || c >= 'a' && c <= 'z' || i > 0 && c >= '0' && c <= '9')
	}
	if plain {
		return s
	}
	return pq.QuoteIdentifier(s)
}

func (n name) quoted() string { return pq.QuoteIdentifier(n.Schema) + "." + pq.QuoteIdentifier(n.Name) }

// A chosen is a Selection applied to the relations of a database.
type chosen struct {
	all       []*relation
	relations []*relation // those selected, in the order of all
	schemas   []string    // selected as a whole
	sequences []*relation
	warnings  []string
}

// choose applies s to all relations and schemas of a database.
func choose(s Selection, all []*relation, schemas []string) (*chosen, error) {
	c := &chosen{all: all}
	in, err := c.included(s, schemas)
	if err != nil {
		return nil, err
	}
	withChildren(in, all)
	if c.warnings, err = takeOut(s.Exclude, in, all); err != nil {
		return nil, err
	}
	for _, r := range all {
		if in[r.oid] {
			c.relations = append(c.relations, r)
		}
	}
	if len(c.tables()) == 0 {
		return nil, fmt.Errorf("selecting tables: %w", ErrEmpty)
	}
	return c, nil
}

// tables are the relations that have rows, of their own or in their partitions.
func (c *chosen) tables() []*relation { return only(c.relations, (*relation).isTable) }

// withRows are those with rows of their own.
func (c *chosen) withRows() []*relation { return only(c.relations, (*relation).hasRows) }

func only[T any](rs []T, keep func(T) bool) []T {
	var kept []T
	for _, r := range rs {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

func (c *chosen) included(s Selection, schemas []string) (map[uint32]bool, error) {
	all, in := c.all, map[uint32]bool{}
	if s.Whole() {
		for _, r := range all {
			in[r.oid] = r.extension == ""
		}
		return in, nil
	}
	for _, text := range s.Schemas {
		found, err := resolveSchema(text, schemas)
		if err != nil {
			return nil, err
		}
		c.schemas = append(c.schemas, found...)
		for _, r := range all {
			if slices.Contains(found, r.Schema) && r.extension == "" {
				in[r.oid] = true
			}
		}
	}
	for _, text := range s.Tables {
		found, err := resolveTable(text, all)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			in[r.oid] = true
		}
	}
	return in, nil
}

// resolveTable finds the tables that an entry of Tables stands for: one at least.
func resolveTable(text string, all []*relation) ([]*relation, error) {
	p, err := ParsePattern(text)
	if err != nil {
		return nil, err
	}
	var found, others []*relation
	for _, r := range all {
		switch {
		case !p.match(r.name):
		case r.kind == 'r' || r.kind == 'p' || r.kind == 'f':
			found = append(found, r)
		default:
			others = append(others, r)
		}
	}
	switch {
	case len(found) == 0 && len(others) > 0 && p.exact():
		return nil, fmt.Errorf("selecting %q: %w: it is a %s, not a table", text, ErrUnsupported, others[0].kindName())
	case len(found) == 0:
		return nil, fmt.Errorf("selecting %q: %w%s", text, ErrNoSuchTable, closeTo(p, all))
	case len(found) > 1 && p.exact():
		return nil, fmt.Errorf("selecting %q: it is in several schemas: %s", text, list(names(found)))
	}
	return found, nil
}

func resolveSchema(text string, schemas []string) ([]string, error) {
	elements, err := parseElements(text)
	if err == nil && len(elements) != 1 {
		err = fmt.Errorf("it names no schema; put a name that holds a dot into double quotes")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the schema pattern %q: %w", text, err)
	}
	var found []string
	for _, s := range schemas {
		if elements[0].match(s) {
			found = append(found, s)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	hint := ""
	if len(schemas) > 0 {
		hint = "; there are " + list(schemas)
	}
	return nil, fmt.Errorf("selecting schema %q: %w%s", text, ErrNoSuchTable, hint)
}

// withChildren adds the partitions and children of what is selected: without them a parent
// would come back with fewer rows.
func withChildren(in map[uint32]bool, all []*relation) {
	for grown := true; grown; {
		grown = false
		for _, r := range all {
			for _, parent := range r.parents {
				if in[parent] && !in[r.oid] {
					in[r.oid], grown = true, true
				}
			}
		}
	}
}

// takeOut removes what the patterns match, and the sequences that go with columns of it. One that
// matches nothing is worth a warning only: what it would keep out is not there.
func takeOut(patterns []string, in map[uint32]bool, all []*relation) ([]string, error) {
	var warnings []string
	out := map[uint32]bool{}
	for _, text := range patterns {
		if text == LargeObjects {
			continue
		}
		p, err := ParsePattern(text)
		if err != nil {
			return nil, err
		}
		matched := false
		for _, r := range all {
			if p.match(r.name) {
				matched = true
				out[r.oid] = true
			}
		}
		if !matched {
			warnings = append(warnings, fmt.Sprintf("exclude %q matches nothing", text))
		}
	}
	for _, r := range all {
		if out[r.oid] || out[r.owner] {
			delete(in, r.oid)
		}
	}
	return warnings, nil
}

// closeTo names tables that p may have meant.
func closeTo(p Pattern, all []*relation) string {
	want := strings.ToLower(strings.Trim(p.table.text, "*?"))
	var near []string
	for _, r := range all {
		have := strings.ToLower(r.Name)
		if want != "" && r.isTable() && (strings.Contains(have, want) || strings.Contains(want, have) || differByOne(have, want)) {
			near = append(near, r.name.String())
		}
	}
	if len(near) == 0 {
		return ""
	}
	return "; there is " + list(near)
}

// differByOne reports whether a letter was left out, put in, exchanged or two were swapped.
func differByOne(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(b)-len(a) == 1 {
		return a[i:] == b[i+1:]
	}
	if len(a) != len(b) || i == len(a) {
		return false
	}
	swapped := i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	return a[i+1:] == b[i+1:] || swapped
}

func names(rs []*relation) []string {
	var n []string
	for _, r := range rs {
		n = append(n, r.name.String())
	}
	return n
}

// maxListed is how many names an error or warning lists.
const maxListed = 20

// list writes names for people, not all if they are many.
func list(all []string) string {
	if len(all) <= maxListed {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:maxListed], ", "), len(all)-maxListed)
}
