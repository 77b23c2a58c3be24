package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"holdfast/snapshot/source/postgres/link"
)

// A reach is all that depends on some objects, as the catalogue has it.
type reach struct {
	nodes map[object]node
	on    map[object][]dependence // what each object depends on
}

type node struct {
	class   string // name of its catalogue
	kind    string // of a relation
	what    string // for people
	command string // type and name as DROP wants them
}

type dependence struct {
	on   object
	kind byte // deptype
}

// reachQuery follows dependencies to what depends, and from inner parts, such as the rule that is
// a view, to what they are parts of.
const reachQuery = `WITH RECURSIVE reach (class, obj) AS (
	SELECT * FROM unnest($1::pg_catalog.oid[], $2::pg_catalog.oid[])
	UNION
	SELECT n.class, n.obj FROM reach r CROSS JOIN LATERAL (
		SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.refclassid = r.class AND d.refobjid = r.obj
		UNION ALL
		SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend d WHERE d.classid = r.class AND d.objid = r.obj AND d.deptype = 'i'
	) n (class, obj))
SELECT r.class, r.obj, r.class::pg_catalog.regclass, c.relkind, pg_catalog.pg_describe_object(r.class, r.obj, 0),
	i.type || ' ' || i.identity,
	(SELECT pg_catalog.string_agg(d.refclassid || ' ' || d.refobjid || ' ' || d.deptype::text, ',')
	 FROM pg_catalog.pg_depend d WHERE d.classid = r.class AND d.objid = r.obj)
FROM reach r LEFT JOIN pg_catalog.pg_class c ON r.class = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = r.obj
CROSS JOIN LATERAL pg_catalog.pg_identify_object(r.class, r.obj, 0) i`

func reached(ctx context.Context, c *link.Conn, roots []object) (*reach, error) {
	var classes, oids []string
	for _, o := range roots {
		classes = append(classes, strconv.FormatUint(uint64(o.class), 10))
		oids = append(oids, strconv.FormatUint(uint64(o.oid), 10))
	}
	rows, err := c.Query(ctx, reachQuery, array(classes), array(oids))
	if err != nil {
		return nil, fmt.Errorf("asking what depends on what is to be replaced: %w", err)
	}
	g := &reach{nodes: map[object]node{}, on: map[object][]dependence{}}
	for _, row := range rows {
		o, err := parseObject(text(row[0]), text(row[1]))
		if err != nil {
			return nil, err
		}
		g.nodes[o] = node{class: text(row[2]), kind: text(row[3]), what: text(row[4]), command: text(row[5])}
		for _, d := range strings.FieldsFunc(text(row[6]), func(r rune) bool { return r == ',' }) {
			f := strings.Fields(d)
			on, err := parseObject(f[0], f[1])
			if err != nil {
				return nil, err
			}
			g.on[o] = append(g.on[o], dependence{on, f[2][0]})
		}
	}
	return g, nil
}

func array(elements []string) string { return "{" + strings.Join(elements, ",") + "}" }

func parseObject(class, oid string) (object, error) {
	a, err := strconv.ParseUint(class, 10, 32)
	if err != nil {
		return object{}, fmt.Errorf("reading the catalogue: %w", err)
	}
	b, err := strconv.ParseUint(oid, 10, 32)
	if err != nil {
		return object{}, fmt.Errorf("reading the catalogue: %w", err)
	}
	return object{uint32(a), uint32(b)}, nil
}

// A fall is what goes when some objects are dropped.
type fall struct {
	with     map[object]object // what falls, and the root that it falls with
	blockers map[object]object // what must not fall but depends on what does: and that one's root
}

// fall works out what goes with roots: their inner parts, and what the dump has as well and makes again (ours).
// All else that depends on them blocks; so does what is kept.
func (g *reach) fall(roots []object, ours map[object]bool, keep map[object]*kept) fall {
	f := fall{with: map[object]object{}, blockers: map[object]object{}}
	for _, o := range roots {
		f.with[o] = o
	}
	for grown := true; grown; {
		grown = false
		clear(f.blockers)
		for o := range g.nodes {
			if _, falls := f.with[o]; falls {
				continue
			}
			root, touched, part := f.touches(g, o)
			switch {
			case !touched:
			case keep[o] == nil && (ours[o] || part && !standsAlone(g.nodes[o])):
				f.with[o] = root
				f.takeOwner(g, o, root, ours, keep)
				grown = true
			case keep[o] == nil && f.takeOwner(g, o, root, ours, keep):
				grown = true
			default:
				f.blockers[o] = root
			}
		}
	}
	return f
}

// touches finds out whether o depends on what falls, and whether as a part of it.
func (f *fall) touches(g *reach, o object) (root object, touched, part bool) {
	for _, d := range g.on[o] {
		if r, falls := f.with[d.on]; falls {
			root, touched = r, true
			if strings.IndexByte("aiPS", d.kind) >= 0 {
				return r, true, true
			}
		}
	}
	return root, touched, false
}

// takeOwner makes what o is an inner part of fall if it is ours: a view, say, for its rule.
func (f *fall) takeOwner(g *reach, o, root object, ours map[object]bool, keep map[object]*kept) bool {
	for _, d := range g.on[o] {
		if _, falls := f.with[d.on]; d.kind == 'i' && ours[d.on] && keep[d.on] == nil && !falls {
			f.with[d.on] = root
			return true
		}
	}
	return false
}

// standsAlone reports whether the loss of n would be a loss of its own although the server drops it without
// being asked: partitions, and the places of tables in publications.
func standsAlone(n node) bool {
	return strings.Contains("rpfvm", n.kind) && n.kind != "" || strings.HasPrefix(n.class, "pg_publication")
}

// names lists what objects are, in a fixed order.
func (g *reach) names(of map[object]object) []string {
	var list []string
	for o := range of {
		list = append(list, g.nodes[o].what)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
