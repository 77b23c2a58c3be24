package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"holdfast/restore"
	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/script"
)

// Diff is the restore.Differ of PostgreSQL vaults. It compares definitions, sequences and
// extensions, and for tables reads only those parts whose rows differ by count or digest. It tells
// how many rows changed, and never what is in them.
func Diff(ctx context.Context, a, b restore.Dump) ([]restore.Change, error) {
	before, err := readPlan(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("comparing: %w", err)
	}
	after, err := readPlan(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("comparing: %w", err)
	}
	rows, err := diffRows(ctx, side{a, before}, side{b, after})
	if err != nil {
		return nil, fmt.Errorf("comparing: %w", err)
	}
	return slices.Concat(diffServer(before.facts, after.facts), diffDefinitions(before, after), diffSequences(before, after), rows), nil
}

// A side is one of the two dumps.
type side struct {
	dump restore.Dump
	plan *plan
}

func diffServer(a, b source.Facts) []restore.Change {
	var list []restore.Change
	if a.Version != b.Version {
		list = append(list, restore.Change{Name: "server", Change: "changed", Detail: release(a.Version) + " to " + release(b.Version)})
	}
	versions := map[string]string{}
	for _, e := range a.Extensions {
		versions[e.Name] = e.Version
	}
	for _, e := range b.Extensions {
		// That it came or went, its definition tells.
		if old, ok := versions[e.Name]; ok && old != e.Version {
			list = append(list, restore.Change{Name: "extension " + e.Name, Change: "changed", Detail: old + " to " + e.Version})
		}
	}
	return list
}

// release spells a server_version_num as people do.
func release(number int) string { return fmt.Sprintf("%d.%d", number/10000, number%10000) }

// diffDefinitions tells which entries came, went or changed, in the order of the newer scripts.
func diffDefinitions(a, b *plan) []restore.Change {
	old := map[key][]script.Entry{}
	for _, e := range a.entries() {
		old[keyOf(e)] = append(old[keyOf(e)], e)
	}
	var list []restore.Change
	for _, e := range b.entries() {
		k := keyOf(e)
		switch was := old[k]; {
		case len(was) == 0:
			list = append(list, restore.Change{Name: title(e), Change: "added", Detail: "definition"})
		default:
			old[k] = was[1:]
			if detail := redefined(was[0], e); detail != "" {
				list = append(list, restore.Change{Name: title(e), Change: "changed", Detail: detail})
			}
		}
	}
	for _, e := range a.entries() {
		if k := keyOf(e); len(old[k]) > 0 {
			list = append(list, restore.Change{Name: title(e), Change: "removed", Detail: "definition"})
			old[k] = old[k][1:]
		}
	}
	return list
}

func redefined(a, b script.Entry) string {
	switch {
	case a.SQL == b.SQL:
		return ""
	case a.Owner != b.Owner && same(a, b):
		return "owner"
	}
	return "definition"
}

func diffSequences(a, b *plan) []restore.Change {
	old := map[script.Relation]sequence{}
	for _, s := range a.sequences {
		old[s.of] = s
	}
	var list []restore.Change
	for _, s := range b.sequences {
		was, ok := old[s.of]
		if !ok || was.last == s.last && was.called == s.called {
			continue
		}
		list = append(list, restore.Change{Name: "sequence " + s.of.String(), Change: "changed", Detail: moved(was, s)})
	}
	return list
}

// moved says how far a sequence went, not where it is: that may be a key of a row.
func moved(a, b sequence) string {
	from, err1 := strconv.ParseInt(a.last, 10, 64)
	to, err2 := strconv.ParseInt(b.last, 10, 64)
	if err1 != nil || err2 != nil {
		return "moved"
	}
	if from == to {
		return "called for the first time or set back"
	}
	return fmt.Sprintf("moved by %+d", to-from)
}

// diffRows compares the tables of both sides.
func diffRows(ctx context.Context, a, b side) ([]restore.Change, error) {
	old := map[string]*table{}
	for _, t := range a.plan.tables {
		old[t.quoted()] = t
	}
	var list []restore.Change
	for _, t := range b.plan.tables {
		was := old[t.quoted()]
		delete(old, t.quoted())
		if was == nil {
			rows, _ := t.want()
			list = append(list, restore.Change{Name: t.String(), Change: "added", Detail: count(rows, "row")})
			continue
		}
		detail, err := diffTable(ctx, a, b, was, t)
		if err != nil {
			return nil, err
		}
		if detail != "" {
			list = append(list, restore.Change{Name: t.String(), Change: "changed", Detail: detail})
		}
	}
	for _, t := range old {
		rows, _ := t.want()
		list = append(list, restore.Change{Name: t.String(), Change: "removed", Detail: count(rows, "row")})
	}
	slices.SortFunc(list, func(x, y restore.Change) int { return cmp.Compare(x.Name, y.Name) })
	return list, nil
}

// diffTable describes how the rows of a table changed; empty if they did not.
func diffTable(ctx context.Context, a, b side, was, is *table) (string, error) {
	before, oldDigest := was.want()
	after, digest := is.want()
	sameColumns := slices.Equal(was.columns, is.columns)
	if before == after && oldDigest == digest && sameColumns {
		return "", nil
	}
	total := fmt.Sprintf("%s (%+d)", count(after, "row"), after-before)
	if !sameColumns {
		return total + ", other columns", nil
	}
	left, right := differing(was.parts, is.parts)
	c := comparison{key: keyColumns(b.plan, is)}
	// In turn, since what is on both sides as a rule is in parts of the same range, and forgotten then.
	for i := range max(len(left), len(right)) {
		if err := c.read(ctx, a.dump, left[min(i, len(left)):min(i+1, len(left))], -1); err != nil {
			return "", err
		}
		if err := c.read(ctx, b.dump, right[min(i, len(right)):min(i+1, len(right))], +1); err != nil {
			return "", err
		}
	}
	return total + ": " + c.describe(), nil
}

// differing leaves out the parts that have a match of the same rows on the other side, wherever it
// lies.
func differing(a, b []part) (left, right []part) {
	type rows struct {
		n      int64
		digest source.Digest
	}
	of := func(p part) rows { return rows{p.info.Rows, p.Digest} }
	there := map[rows]int{}
	for _, p := range b {
		there[of(p)]++
	}
	for _, p := range a {
		if there[of(p)] > 0 {
			there[of(p)]--
		} else {
			left = append(left, p)
		}
	}
	for _, p := range b {
		if there[of(p)] > 0 {
			there[of(p)]--
			right = append(right, p)
		}
	}
	return left, right
}

// keyColumns are the places of the primary key among the columns of t; none if it has no key.
func keyColumns(p *plan, t *table) []int {
	for _, e := range p.post {
		of, columns, ok := e.PrimaryKey()
		if !ok || of.Schema != t.schema || of.Name != t.name {
			continue
		}
		var places []int
		for _, c := range columns {
			i := slices.Index(t.columns, c)
			if i < 0 {
				return nil // a generated column, which no row of a dump has
			}
			places = append(places, i)
		}
		slices.Sort(places)
		return places
	}
	return nil
}

// count writes a number of things.
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return grouped(n) + " " + thing
}

// grouped writes a number with its digits in groups.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
