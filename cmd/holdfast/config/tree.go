package config

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// A tree builds nodes from the parser's syntax tree. It goes on after a mistake, so that
// all of them are told.
type tree struct {
	file    string
	anchors map[string]*node // complete ones only, so that no alias can be inside its own anchor
	merged  int              // entries copied by merge keys
	errs    Errors
}

// maxMerged bounds the work that merge keys can ask for.
const maxMerged = 20_000

func (t *tree) fail(p position, hint, format string, args ...any) {
	t.errs = append(t.errs, &Error{t.file, p.line, p.column, fmt.Sprintf(format, args...), hint})
}

// broken tells what is wrong with n and makes later steps pass over it.
func (t *tree) broken(n *node, hint, format string, args ...any) *node {
	t.fail(n.pos, hint, format, args...)
	n.kind = brokenNode
	return n
}

// convert never returns nil: what cannot be converted is told and becomes a broken node.
func (t *tree) convert(n ast.Node, depth int) *node {
	out := &node{pos: tokenPos(n.GetToken())}
	if depth > maxDepth {
		return t.broken(out, "", "nested deeper than %d levels", maxDepth)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.kind = mapNode
		if !n.IsFlowStyle && len(n.Values) > 0 {
			out.pos = tokenPos(n.Values[0].Key.GetToken()) // not that of the first colon
		}
		t.mapping(out, n.Values, depth)
	case *ast.MappingValueNode:
		out.kind = mapNode
		t.mapping(out, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		out.kind = listNode
		for _, v := range n.Values {
			out.items = append(out.items, t.convert(v, depth+1))
		}
	case *ast.AnchorNode:
		out = t.convert(n.Value, depth)
		t.anchors[n.Name.GetToken().Value] = out
	case *ast.AliasNode:
		return t.alias(n)
	case *ast.StringNode:
		out.kind, out.text = textNode, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = textNode, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = numberNode, n.GetToken().Value
	case *ast.BoolNode:
		out.kind, out.text = boolNode, n.GetToken().Value
	case *ast.NullNode:
	case *ast.TagNode:
		return t.broken(out, "put text that looks like something else in quotes", "a YAML tag stands here; none is understood")
	default:
		return t.broken(out, "", "this kind of YAML is not understood here")
	}
	return out
}

func (t *tree) alias(n *ast.AliasNode) *node {
	pos := tokenPos(n.GetToken())
	target, ok := t.anchors[n.Value.GetToken().Value]
	if !ok {
		return t.broken(&node{pos: pos}, "anchors are defined above their use, as &name", "an alias of no anchor")
	}
	return target
}

// mapping fills out with values. Keys of its own win over those that << brings in.
func (t *tree) mapping(out *node, values []*ast.MappingValueNode, depth int) {
	seen := make(map[string]position, len(values))
	var bases []*node
	for _, v := range values {
		if v.Key.IsMergeKey() {
			bases = append(bases, t.convert(v.Value, depth+1))
			continue
		}
		e := entry{pos: tokenPos(v.Key.GetToken())}
		key, ok := keyText(v.Key)
		if !ok {
			t.fail(e.pos, "", "a key must be plain text")
			continue
		}
		e.key, e.value = key, t.convert(v.Value, depth+1)
		if first, twice := seen[key]; twice {
			t.fail(e.pos, "", "%s is given twice, first on line %d", quote(key), first.line)
			continue
		}
		seen[key] = e.pos
		out.entries = append(out.entries, e)
	}
	for _, base := range bases {
		t.merge(out, base, seen)
	}
}

// merge adds the entries of base, a mapping or a list of mappings, that out lacks.
func (t *tree) merge(out, base *node, seen map[string]position) {
	all := []*node{base}
	if base.kind == listNode {
		all = base.items
	}
	for _, m := range all {
		if m.kind == brokenNode {
			return
		}
		if m.kind != mapNode {
			t.fail(m.pos, "", "<< wants a mapping, found %s", m.kind)
			return
		}
		for _, e := range m.entries {
			if t.merged++; t.merged > maxMerged {
				t.fail(out.pos, "", "merge keys bring in too much")
				return
			}
			if _, has := seen[e.key]; !has {
				seen[e.key] = e.pos
				out.entries = append(out.entries, e)
			}
		}
	}
}

func keyText(k ast.MapKeyNode) (string, bool) {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return k.GetToken().Value, true
	}
	return "", false
}
