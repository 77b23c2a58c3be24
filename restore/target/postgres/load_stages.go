package postgres

import (
	"strings"

	"holdfast/snapshot/source/postgres/script"
)

// stages are the entries of a plan in the order of a load. pg_restore has the same order:
// grants may take away what is needed to load, and materialized views are filled with the rights that grants give.
type stages struct {
	first  []script.Entry // types, functions, tables
	main   []script.Entry // after the rows: indexes, keys, triggers
	guards []script.Entry // row security, which may hide rows from being read back
	grants []script.Entry
	last   []script.Entry // event triggers, which would fire on all before
}

func (p *plan) stages() stages {
	var s stages
	late := map[int]bool{} // event triggers and what is part of them
	for _, e := range p.pre {
		if grants(e) {
			s.grants = append(s.grants, e)
		} else {
			s.first = append(s.first, e)
		}
	}
	guarded := map[int]bool{}
	for _, e := range p.post {
		switch {
		case e.Type == "EVENT TRIGGER" || late[e.Of]:
			late[e.ID] = true
			s.last = append(s.last, e)
		case grants(e):
			s.grants = append(s.grants, e)
		case e.Type == "POLICY" || e.Type == "ROW SECURITY" || guarded[e.Of]:
			guarded[e.ID] = true
			s.guards = append(s.guards, e)
		default:
			s.main = append(s.main, e)
		}
	}
	return s
}

func grants(e script.Entry) bool {
	return e.Type == "DEFAULT ACL" || e.Type == "ACL" || strings.HasPrefix(e.Type, "ACL ")
}
