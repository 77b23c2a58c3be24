package script

import (
	"errors"
	"slices"
	"strings"

	"github.com/lib/pq"
)

const (
	// maxPattern bounds one pattern: the server makes a regular expression of it.
	maxPattern = 4 << 10
	// maxPatterns keeps the command line below what Linux allows (2 MiB with the environment).
	maxPatterns = 1536 << 10
)

var errTooMany = errors.New("too many relations are left out to name each on pg_dump's command line; leave out whole schemas")

// excluding turns relations into options of pg_dump: one pattern for many names of a schema, since
// only the length of the command line is bounded.
func excluding(list []Relation) ([]string, error) {
	names := map[string][]string{}
	for _, r := range list {
		names[r.Schema] = append(names[r.Schema], r.Name)
	}
	schemas := make([]string, 0, len(names))
	for s := range names {
		schemas = append(schemas, s)
	}
	slices.Sort(schemas)
	var args []string
	size := 0
	for _, s := range schemas {
		for _, p := range patterns(s, names[s]) {
			args = append(args, "--exclude-table="+p)
			size += len(p) + 32
		}
	}
	if size > maxPatterns {
		return nil, errTooMany
	}
	return args, nil
}

// patterns are pg_dump's for exactly these names: in double quotes nothing has a meaning but the
// quote itself; outside of them, | and parentheses are those of regular expressions.
func patterns(schema string, names []string) []string {
	if slices.Contains(names, "") {
		return []string{pq.QuoteIdentifier(schema) + ".*"}
	}
	slices.Sort(names)
	var list []string
	var b strings.Builder
	for _, n := range slices.Compact(names) {
		if b.Len() > maxPattern {
			list = append(list, b.String()+")")
			b.Reset()
		}
		if b.Len() == 0 {
			b.WriteString(pq.QuoteIdentifier(schema) + ".(")
		} else {
			b.WriteByte('|')
		}
		b.WriteString(pq.QuoteIdentifier(n))
	}
	if b.Len() > 0 {
		list = append(list, b.String()+")")
	}
	return list
}
