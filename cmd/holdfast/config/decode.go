package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A scalar is a type of ours that is written as one word of text. An error that set returns
// is shown, so it must not repeat what may be a credential.
type scalar interface {
	set(text string, at place) error
}

// A place is where a scalar stands.
type place struct {
	dir    string // relative paths begin here
	field  string // for people: vaults.payments.url
	inline bool   // a secret may be given as it is
}

// A mistake is an error with a hint, to be given a position.
type mistake struct{ message, hint string }

func (m *mistake) Error() string { return m.message }

// Hint says how to put it right, "" if the message does.
func (m *mistake) Hint() string { return m.hint }

// A decoder fills values from nodes, led by their struct tags, and goes on after mistakes.
type decoder struct {
	file, dir string
	pos       map[string]position // of values, by path
	keys      map[string]position // of the keys that hold them
	failed    map[string]bool     // paths with a mistake at or below them
	visited   int
	broken    int // nodes passed over, whose mistake was told before
	errs      Errors
}

// maxVisited bounds the work of a document in which aliases repeat large parts.
const maxVisited = 200_000

func newDecoder(file, dir string) *decoder {
	return &decoder{file: file, dir: dir, pos: map[string]position{}, keys: map[string]position{}, failed: map[string]bool{}}
}

// document decodes a whole file into c, defaults first.
func (d *decoder) document(root *node, c *Config) {
	if root.kind == brokenNode {
		return
	}
	if root.kind != mapNode {
		d.fail(root.pos, "", "the file holds %s instead of settings", root.kind)
		return
	}
	d.fields(root, "", nil, reflect.ValueOf(c).Elem())
}

// fail notes a mistake. So many that nobody reads them are not noted.
func (d *decoder) fail(p position, hint, format string, args ...any) {
	if len(d.errs) >= 10*maxErrors {
		return
	}
	d.errs = append(d.errs, &Error{d.file, p.line, p.column, fmt.Sprintf(format, args...), hint})
}

// at is the best known position of path: its value, its key or the nearest thing above.
func (d *decoder) at(path string) position {
	for {
		if p, ok := d.pos[path]; ok {
			return p
		}
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return position{1, 1}
		}
		path = path[:i]
		if p, ok := d.keys[path]; ok {
			return p
		}
	}
}

// value decodes n into v.
func (d *decoder) value(n *node, v reflect.Value, path string, r rules) {
	if d.visited++; d.visited > maxVisited {
		if d.visited == maxVisited+1 {
			d.fail(n.pos, "", "aliases make the file too large")
		}
		return
	}
	d.pos[path] = n.pos
	if n.kind == brokenNode {
		d.broken++
		d.failed[path] = true
		return
	}
	before := len(d.errs) + d.broken
	defer func() { d.failed[path] = len(d.errs)+d.broken > before }()
	if s, ok := v.Addr().Interface().(scalar); ok {
		d.scalar(n, s, path, r)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		d.pointer(n, v, path)
	case reflect.Struct:
		if d.want(n, mapNode) {
			d.fields(n, path, nil, v)
		}
	case reflect.Map:
		if d.want(n, mapNode) {
			d.mapping(n, v, path)
		}
	case reflect.Slice:
		if d.want(n, listNode) {
			d.list(n, v, path, r)
		}
	case reflect.String:
		if text, ok := d.text(n); ok {
			v.SetString(text)
			d.checkText(n, text, r)
		}
	case reflect.Int:
		d.integer(n, v, r)
	default:
		panic("config: no decoding for " + v.Type().String())
	}
}

// want checks that n is of kind, or holds nothing: a section whose every line is commented
// out is an empty section.
func (d *decoder) want(n *node, kind nodeKind) bool {
	if n.kind != kind && n.kind != nullNode {
		d.fail(n.pos, "", "want %s, found %s", kind, n.kind)
		return false
	}
	return true
}

func (d *decoder) pointer(n *node, v reflect.Value, path string) {
	v.Set(reflect.New(v.Type().Elem()))
	if vault, ok := v.Interface().(*Vault); ok {
		d.vault(n, vault, path)
		return
	}
	d.value(n, v.Elem(), path, rules{})
}

// fields decodes the mapping n into the structs parts, together, with defaults for what n
// does not say. elsewhere explains keys that exist, but not here.
func (d *decoder) fields(n *node, path string, elsewhere map[string]string, parts ...reflect.Value) {
	type field struct {
		value reflect.Value
		rules rules
	}
	fields := map[string]field{}
	var known []string
	for _, part := range parts {
		d.defaults(part, path)
		for i, r := range fieldRules(part.Type()) {
			if r.key != "" {
				fields[r.key] = field{part.Field(i), r}
				known = append(known, r.key)
			}
		}
	}
	given := map[string]bool{}
	for _, e := range n.entries {
		given[e.key] = true
		f, ok := fields[e.key]
		if !ok {
			d.unknown(e, known, elsewhere)
			continue
		}
		below := join(path, e.key)
		d.keys[below] = e.pos
		d.value(e.value, f.value, below, f.rules)
	}
	for _, key := range known {
		if fields[key].rules.required && !given[key] {
			d.fail(d.keyOf(path), "", "`%s` is missing", key)
		}
	}
}

func (d *decoder) unknown(e entry, known []string, elsewhere map[string]string) {
	hint := elsewhere[e.key]
	if hint == "" {
		hint = didYouMean(e.key, known)
	}
	d.fail(e.pos, hint, "unknown key %s", quote(e.key))
}

// keyOf is where the key that holds path stands, which is where a missing key is missed.
func (d *decoder) keyOf(path string) position {
	if p, ok := d.keys[path]; ok {
		return p
	}
	return d.at(path)
}

// defaults sets what an absent key means, down through structs.
func (d *decoder) defaults(v reflect.Value, path string) {
	for i, r := range fieldRules(v.Type()) {
		f := v.Field(i)
		if r.key == "" {
			continue
		}
		_, isScalar := f.Addr().Interface().(scalar)
		if f.Kind() == reflect.Struct && !isScalar {
			d.defaults(f, join(path, r.key))
		}
		if r.defaulted {
			kind := textNode
			if f.Kind() == reflect.Int {
				kind = numberNode
			}
			below := join(path, r.key)
			d.value(&node{kind: kind, text: r.value}, f, below, r)
			delete(d.pos, below) // it stands nowhere
		}
	}
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.entries)))
	for _, e := range n.entries {
		below := join(path, e.key)
		d.keys[below] = e.pos
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, elem, below, rules{})
		if elem.Kind() != reflect.Pointer || !elem.IsNil() { // nil when the file is too large
			v.SetMapIndex(reflect.ValueOf(e.key), elem)
		}
	}
}

func (d *decoder) list(n *node, v reflect.Value, path string, r rules) {
	if r.nonEmpty && len(n.items) == 0 {
		d.fail(n.pos, "", "the list is empty")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		d.value(item, v.Index(i), join(path, strconv.Itoa(i)), r)
	}
}

// join extends a path. Its parts are parted by a slash, which names cannot hold.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "/" + key
}
