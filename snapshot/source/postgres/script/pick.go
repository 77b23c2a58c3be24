package script

import "strings"

// Pick returns what is wanted of a dump, with all that it needs and all that is part of what was
// picked, in order and numbered anew. A partitioned table brings its partitions. A foreign key is
// part of the table that has it and does not bring the one that it refers to; see Entry.ForeignKey.
func Pick(pre, post *Script, want func(Entry) bool) (*Script, *Script) {
	p := &picker{byID: map[int]*Entry{}, parts: map[int][]*Entry{}, picked: map[int]bool{}, schemas: map[string]bool{}}
	both(pre, post, func(e *Entry) {
		p.byID[e.ID] = e
		if e.Of != 0 {
			p.parts[e.Of] = append(p.parts[e.Of], e)
		}
	})
	for _, id := range p.wanted(pre, post, want) {
		p.take(p.byID[id])
	}
	p.join(pre, post)
	a, b := pre.only(p.picked), post.only(p.picked)
	Number(a, b)
	return a, b
}

// Closure is Pick for one script alone.
func (s *Script) Closure(want func(Entry) bool) *Script {
	c, _ := Pick(s, &Script{}, want)
	return c
}

type picker struct {
	byID    map[int]*Entry
	parts   map[int][]*Entry
	picked  map[int]bool
	schemas map[string]bool // that something picked is in
}

// wanted adds partitions to what is asked for, however deep.
func (p *picker) wanted(pre, post *Script, want func(Entry) bool) []int {
	children := map[Relation][]Relation{}
	byName := map[Relation]int{}
	var list []int
	both(pre, post, func(e *Entry) {
		switch {
		case e.Type == "TABLE ATTACH":
			parent, ok1 := relationAt(e.SQL, 0)
			child, ok2 := relationAt(e.SQL, 1)
			if ok1 && ok2 {
				children[parent] = append(children[parent], child)
			}
		case e.Type == "TABLE" || e.Type == "FOREIGN TABLE":
			byName[e.Relation()] = e.ID
		}
		if want(*e) {
			list = append(list, e.ID)
		}
	})
	for i := 0; i < len(list); i++ {
		e := p.byID[list[i]]
		for _, child := range children[e.Relation()] {
			if id := byName[child]; id != 0 && e.Type == "TABLE" {
				list = append(list, id)
			}
		}
	}
	return list
}

// take picks e, what it needs and its parts.
func (p *picker) take(e *Entry) {
	if e == nil || p.picked[e.ID] {
		return
	}
	p.picked[e.ID] = true
	p.schemas[e.Schema] = true
	for _, id := range e.Needs {
		if e.Type != "FK CONSTRAINT" || id == e.Of {
			p.take(p.byID[id])
		}
	}
	for _, part := range p.parts[e.ID] {
		if !part.joins() {
			p.take(part)
		}
	}
}

// joins are the types of entries that connect two others and are picked when both were.
var joins = map[string]bool{"TABLE ATTACH": true, "INDEX ATTACH": true, "SEQUENCE OWNED BY": true, "PUBLICATION TABLE": true}

// joins reports whether e connects two other entries. A trigger does where a partition has that of its
// parent switched otherwise than the parent.
func (e *Entry) joins() bool {
	return joins[e.Type] || e.Type == "TRIGGER" && strings.HasPrefix(e.SQL, "ALTER TABLE")
}

// join picks what connects picked entries, and grants and comments on a schema that no entry makes
// because every database has it.
func (p *picker) join(pre, post *Script) {
	both(pre, post, func(e *Entry) {
		schema, onSchema := strings.CutPrefix(e.Name, "SCHEMA ")
		switch {
		case e.joins() && p.all(e):
			p.picked[e.ID] = true
		case onSchema && e.Of == 0 && (e.Type == "ACL" || e.Type == "COMMENT") && p.schemas[schema]:
			p.picked[e.ID] = true
		}
	})
}

func (p *picker) all(e *Entry) bool {
	for _, id := range append([]int{e.Of}, e.Needs...) {
		if !p.picked[id] {
			return false
		}
	}
	return true
}

// only returns a script of the picked entries, which share nothing with s that Number changes.
func (s *Script) only(picked map[int]bool) *Script {
	c := &Script{Preamble: s.Preamble}
	for _, e := range s.Entries {
		if picked[e.ID] {
			c.Entries = append(c.Entries, e)
		}
	}
	return c
}
