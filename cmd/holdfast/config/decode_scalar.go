package config

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func (d *decoder) scalar(n *node, s scalar, path string, r rules) {
	text, ok := d.text(n)
	if !ok {
		return
	}
	err := s.set(text, place{dir: d.dir, field: strings.ReplaceAll(path, "/", "."), inline: r.inline})
	if m := (*mistake)(nil); errors.As(err, &m) {
		d.fail(n.pos, m.hint, "%s", m.message)
	} else if err != nil {
		d.fail(n.pos, "", "%s", err.Error())
	}
}

// text takes a word. A number is taken as it is written; anything else that is not text was
// probably not meant.
func (d *decoder) text(n *node) (string, bool) {
	switch {
	case n.kind == nullNode:
		d.fail(n.pos, "remove the key or give it a value", "there is no value here")
	case n.kind == boolNode:
		d.fail(n.pos, "put it in quotes if it is meant", "want text, found true or false")
	case n.kind != textNode && n.kind != numberNode:
		d.fail(n.pos, "", "want text, found %s", n.kind)
	case strings.TrimSpace(n.text) == "":
		d.fail(n.pos, "remove the key or give it a value", "the text is empty")
	default:
		return n.text, true
	}
	return "", false
}

func (d *decoder) checkText(n *node, text string, r rules) {
	switch {
	case len(r.enum) > 0 && !slices.Contains(r.enum, text):
		d.fail(n.pos, didYouMean(text, r.enum), "%s is not allowed here", quote(text))
	case r.pattern != nil && !r.pattern.MatchString(text):
		d.fail(n.pos, "", "%s does not have the form %s", quote(text), r.pattern)
	}
}

// plainInteger keeps out 010, which YAML reads as 8, and all other notations.
var plainInteger = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,8})$`)

func (d *decoder) integer(n *node, v reflect.Value, r rules) {
	if n.kind != numberNode {
		d.fail(n.pos, "", "want a whole number, found %s", n.kind)
		return
	}
	if !plainInteger.MatchString(n.text) {
		d.fail(n.pos, "write it with digits alone and no leading zero", "%s is not a plain whole number", quote(n.text))
		return
	}
	i, err := strconv.Atoi(n.text)
	switch {
	case err != nil:
		d.fail(n.pos, "", "%s is not a plain whole number", quote(n.text))
	case r.min != nil && i < *r.min:
		d.fail(n.pos, "", "%d is less than %d", i, *r.min)
	case r.max != nil && i > *r.max:
		d.fail(n.pos, "", "%d is more than %d", i, *r.max)
	default:
		v.SetInt(int64(i))
	}
}
