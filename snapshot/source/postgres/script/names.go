package script

import "strings"

// dotted returns the names with dots in a statement, in their order. pg_dump qualifies all names of
// relations, and no names of columns in definitions.
func dotted(sql string) [][]string {
	var list [][]string
	var name []string
	joined := false // a dot came after the last part
	flush := func() {
		if len(name) > 1 {
			list = append(list, name)
		}
		name, joined = nil, false
	}
	for i := 0; ; {
		t, err := next(sql, i)
		if err != nil || t.kind == end {
			flush()
			return list
		}
		text := sql[t.start:t.end]
		switch {
		case t.kind == word || t.kind == quoted:
			if !joined {
				flush()
			}
			name, joined = append(name, unquote(text)), false
		case text == "." && len(name) > 0:
			joined = true
		default:
			flush()
		}
		i = t.end
	}
}

// unquote reads an identifier.
func unquote(name string) string {
	if !strings.HasPrefix(name, `"`) {
		return name
	}
	return strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
}

// relationAt is the i-th relation that a statement names.
func relationAt(sql string, i int) (Relation, bool) {
	names := dotted(sql)
	if i >= len(names) {
		return Relation{}, false
	}
	return Relation{names[i][0], names[i][1]}, true
}

// Relation is the table, view or sequence that e defines, going by its name.
func (e Entry) Relation() Relation { return Relation{e.Schema, e.Name} }

// ForeignKey returns the table that has the foreign key and the one that it refers to.
func (e Entry) ForeignKey() (from, to Relation, ok bool) {
	if e.Type != "FK CONSTRAINT" {
		return from, to, false
	}
	from, ok1 := relationAt(e.SQL, 0)
	to, ok2 := relationAt(e.SQL, 1)
	return from, to, ok1 && ok2
}

// Partitioned reports whether e makes a table that has its rows in partitions.
func (e Entry) Partitioned() bool {
	if e.Type != "TABLE" {
		return false
	}
	for _, text := range e.Statements() {
		words := flat(text)
		if !words.begin("CREATE") {
			continue
		}
		for i := range len(words) - 1 {
			if words[i].is("PARTITION") && words[i+1].is("BY") {
				return true
			}
		}
	}
	return false
}

// PrimaryKey returns the table of a primary key and its columns.
func (e Entry) PrimaryKey() (of Relation, columns []string, ok bool) {
	if e.Type != "CONSTRAINT" {
		return of, nil, false
	}
	of, ok = relationAt(e.SQL, 0)
	_, after, found := cutOutside(e.SQL, "PRIMARY", "KEY")
	if !ok || !found {
		return of, nil, false
	}
	for i := 0; ; {
		t, err := next(after, i)
		switch {
		case err != nil || t.kind == end || after[t.start:t.end] == ")":
			return of, columns, len(columns) > 0
		case t.kind == word || t.kind == quoted:
			columns = append(columns, unquote(after[t.start:t.end]))
		}
		i = t.end
	}
}

// cutOutside cuts a statement around the first place outside of parentheses where these words
// follow each other.
func cutOutside(sql string, keywords ...string) (before, after string, found bool) {
	words := flat(sql)
	for i := range words {
		if words[i:].begin(keywords...) {
			return sql[:words[i].start], sql[words[i+len(keywords)-1].end:], true
		}
	}
	return sql, "", false
}
