package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Roles returns the roles that owners, grants, policies and user mappings name, sorted.
// PUBLIC is no role.
func (s *Script) Roles() []string {
	seen := map[string]bool{}
	for _, e := range s.Entries {
		for _, text := range e.Statements() {
			for _, m := range mentions(text) {
				seen[m.role] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// WithoutRoles returns a copy of s in which no statement names a role that is missing, and tells
// what it left out. A policy for several roles stays for those that are there. An entry that loses
// all its statements stays without any.
func (s *Script) WithoutRoles(missing func(role string) bool) (*Script, []string) {
	c := &Script{Preamble: s.Preamble, Entries: slices.Clone(s.Entries)}
	var left []string
	for i := range c.Entries {
		e := &c.Entries[i]
		x := expulsion{entry: *e, missing: missing}
		e.SQL = x.rewrite(e.SQL)
		left = append(left, x.left...)
	}
	return c, left
}

// An expulsion takes roles out of one entry.
type expulsion struct {
	entry   Entry
	missing func(string) bool
	foreign bool // between SET SESSION AUTHORIZATION of a missing role and its RESET
	left    []string
}

func (x *expulsion) rewrite(sql string) string {
	list, err := spans(sql)
	if err != nil {
		return sql // not from Parse; it will fail where it is executed
	}
	var b strings.Builder
	at := 0
	for _, s := range list {
		kept := x.statement(sql[s.from:s.to])
		if kept != "" {
			b.WriteString(sql[at:s.from] + kept)
		}
		at = s.to
	}
	b.WriteString(sql[at:])
	return trim(b.String())
}

// statement returns what is to stay of a statement.
func (x *expulsion) statement(text string) string {
	switch words := firstWords(text, 3); {
	case strings.HasPrefix(words, "RESET SESSION") && x.foreign:
		x.foreign = false
		return ""
	case x.foreign:
		x.note("rights", mentions(text))
		return ""
	case strings.HasPrefix(words, "SET SESSION AUTHORIZATION"):
		x.foreign = slices.ContainsFunc(mentions(text), x.gone)
		if x.foreign {
			return ""
		}
		return text
	case strings.HasPrefix(words, "CREATE POLICY"):
		return x.policy(text)
	}
	all := mentions(text)
	if !slices.ContainsFunc(all, x.gone) {
		return text
	}
	switch words := firstWords(text, 2); {
	case strings.HasPrefix(words, "GRANT"), strings.HasPrefix(words, "REVOKE"), words == "ALTER DEFAULT":
		x.note("rights", all)
	case words == "CREATE USER":
		x.note("user mapping", all)
	case words == "CREATE SCHEMA":
		x.note("owner", all)
		return text[:all[0].clause] + ";"
	default:
		x.note("owner", all)
	}
	return ""
}

func (x *expulsion) gone(m mention) bool { return x.missing(m.role) }

// policy keeps the roles that are there.
func (x *expulsion) policy(text string) string {
	all := mentions(text)
	if !slices.ContainsFunc(all, x.gone) {
		return text
	}
	x.note("policy", all)
	kept := slices.DeleteFunc(slices.Clone(all), x.gone)
	if len(kept) == 0 {
		return ""
	}
	names := make([]string, len(kept))
	for i, m := range kept {
		names[i] = text[m.start:m.end]
	}
	return text[:all[0].start] + strings.Join(names, ", ") + text[all[len(all)-1].end:]
}

func (x *expulsion) note(what string, all []mention) {
	for _, m := range all {
		if !x.missing(m.role) {
			continue
		}
		text := fmt.Sprintf("%s for the missing role %q left out: %s %s", what, m.role, strings.ToLower(x.entry.Type), x.entry.title())
		if !slices.Contains(x.left, text) {
			x.left = append(x.left, text)
		}
	}
}

// title names an entry within its schema.
func (e Entry) title() string {
	if e.Schema == "" || e.Schema == "-" {
		return e.Name
	}
	return e.Schema + "." + e.Name
}

// A mention is a place in a statement where it names a role.
type mention struct {
	role       string
	start, end int // of the name
	clause     int // where the clause begins that could be left out
}

// mentions finds the roles in a statement of the forms that pg_dump writes.
func mentions(text string) []mention {
	words := flat(text)
	switch {
	case len(words) < 3:
		return nil
	case words.begin("ALTER", "DEFAULT", "PRIVILEGES"):
		return append(words.after(words.find("ROLE")), words.grantee()...)
	case words.begin("GRANT"), words.begin("REVOKE"):
		return words.grantee()
	case words.begin("ALTER"):
		if i := len(words) - 3; i > 0 && words[i].is("OWNER") && words[i+1].is("TO") {
			return words.after(i + 1)
		}
	case words.begin("SET", "SESSION", "AUTHORIZATION"):
		return words.after(2)
	case words.begin("CREATE", "USER", "MAPPING"):
		return words.after(words.find("FOR"))
	case words.begin("CREATE", "SCHEMA"):
		return words.after(words.find("AUTHORIZATION"))
	case words.begin("CREATE", "POLICY"):
		return words.after(words.find("TO"))
	}
	return nil
}

// A flatWord is a word of a statement outside of parentheses.
type flatWord struct {
	text       string // upper case, or the name if it was quoted
	quoted     bool
	comma      bool // a comma follows
	start, end int
	name       string
}

func (w flatWord) is(keyword string) bool { return !w.quoted && w.text == keyword }

type flatWords []flatWord

// flat lists the words of a statement outside of parentheses.
func flat(text string) flatWords {
	var list flatWords
	depth := 0
	for i := 0; ; {
		t, err := next(text, i)
		if err != nil || t.kind == end {
			return list
		}
		piece := text[t.start:t.end]
		switch {
		case piece == "(":
			depth++
		case piece == ")":
			depth--
		case depth > 0:
		case piece == "," && len(list) > 0:
			list[len(list)-1].comma = true
		case t.kind == word:
			list = append(list, flatWord{text: strings.ToUpper(piece), name: piece, start: t.start, end: t.end})
		case t.kind == quoted:
			list = append(list, flatWord{text: piece, quoted: true, name: unquote(piece), start: t.start, end: t.end})
		}
		i = t.end
	}
}

func (l flatWords) begin(keywords ...string) bool {
	for i, k := range keywords {
		if i >= len(l) || !l[i].is(k) {
			return false
		}
	}
	return true
}

func (l flatWords) find(keyword string) int {
	return slices.IndexFunc(l, func(w flatWord) bool { return w.is(keyword) })
}

// grantee is who a grant or revocation is for, and who granted it if that is said.
func (l flatWords) grantee() []mention {
	for i := len(l) - 1; i > 0; i-- {
		if l[i].is("TO") || l[i].is("FROM") {
			list := l.after(i)
			if by := l[i:].find("GRANTED"); by > 0 {
				list = append(list, l.after(i+by+1)...)
			}
			return list
		}
	}
	return nil
}

// after are the roles in the list that follows the i-th word, none if i is negative.
func (l flatWords) after(i int) []mention {
	if i < 0 {
		return nil
	}
	var list []mention
	for j := i + 1; j < len(l); j++ {
		if w := l[j]; !w.is("PUBLIC") {
			list = append(list, mention{role: w.name, start: w.start, end: w.end, clause: l[i].start})
		}
		if !l[j].comma {
			break
		}
	}
	return list
}

// firstWords are the first n words of a statement, in upper case.
func firstWords(text string, n int) string {
	var b []string
	for _, w := range flat(text) {
		if len(b) == n {
			break
		}
		b = append(b, w.text)
	}
	return strings.Join(b, " ")
}
