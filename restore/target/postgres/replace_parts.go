package postgres

import "slices"

// findShared finds out which of the sequences that stay give numbers to what is not in the dump.
func (r *room) findShared(g *reach) {
	ours := r.ours()
	for o, k := range r.kept {
		if k.kind != "S" {
			continue
		}
		for user, on := range g.on {
			if slices.Contains(on, dependence{o, 'n'}) && !ours[user] && !g.partOf(user, ours) {
				r.shared[k.relation] = true
			}
		}
	}
}

// partOf reports whether o is a part of one of others: a default of a table, the rule that is a view.
func (g *reach) partOf(o object, others map[object]bool) bool {
	return slices.ContainsFunc(g.on[o], func(d dependence) bool { return (d.kind == 'a' || d.kind == 'i') && others[d.on] })
}

// lostParts names what falls as a part of a table and is not in the dump: indexes, triggers and the like that
// came after it was taken. Parts of parts are not named.
func (g *reach) lostParts(f fall, ours map[object]bool) []string {
	lost := map[object]object{}
	for o, root := range f.with {
		if !ours[o] && g.isPart(o, ours) {
			lost[o] = root
		}
	}
	return g.names(lost)
}

// isPart reports whether o is what people make and the server drops with one of others.
func (g *reach) isPart(o object, others map[object]bool) bool {
	var own, inner bool
	for _, d := range g.on[o] {
		own = own || d.kind == 'a' && others[d.on]
		inner = inner || d.kind == 'i' || d.kind == 'P'
	}
	switch n := g.nodes[o]; n.class {
	case "pg_trigger", "pg_policy", "pg_rewrite", "pg_statistic_ext":
		return own && !inner
	case "pg_class":
		return own && !inner && (n.kind == "i" || n.kind == "I" || n.kind == "S")
	case "pg_constraint": // A check has neither an index nor triggers, and is in the definition of its table.
		return own && !inner && g.hasInner(o)
	}
	return false
}

func (g *reach) hasInner(o object) bool {
	for _, on := range g.on {
		if slices.Contains(on, dependence{o, 'i'}) {
			return true
		}
	}
	return false
}
