package config

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// rules are what the struct tags of a field say about its value. They are the tags that the
// schema is generated from, so that file, schema and decoder cannot disagree.
type rules struct {
	key       string
	required  bool
	nonEmpty  bool // minLength=1 or minItems=1
	inline    bool // a Secret that need not be a reference
	value     string
	defaulted bool // value is what an absent key means
	enum      []string
	min, max  *int
	pattern   *regexp.Regexp
}

var rulesOf sync.Map // reflect.Type to []rules, by field

// fieldRules reads the tags of the struct t. A field that no key fills has an empty key.
func fieldRules(t reflect.Type) []rules {
	if known, ok := rulesOf.Load(t); ok {
		return known.([]rules)
	}
	all := make([]rules, t.NumField())
	for i := range all {
		f := t.Field(i)
		all[i] = parseRules(f.Tag.Get("jsonschema"))
		all[i].key = f.Tag.Get("yaml")
		all[i].inline = f.Tag.Get("secret") == "inline"
	}
	rulesOf.Store(t, all)
	return all
}

// parseRules reads one jsonschema tag. A word that it does not know panics: tags are code.
func parseRules(tag string) (r rules) {
	if tag == "" {
		return r
	}
	for part := range strings.SplitSeq(tag, ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "required":
			r.required = true
		case "minLength", "minItems":
			r.nonEmpty = true
		case "default":
			r.value, r.defaulted = value, true
		case "enum":
			r.enum = append(r.enum, value)
		case "minimum":
			r.min = number(value)
		case "maximum":
			r.max = number(value)
		case "pattern":
			r.pattern = regexp.MustCompile(value)
		default:
			panic("config: unknown rule " + name)
		}
	}
	return r
}

func number(s string) *int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("config: rule with a bad number: " + s)
	}
	return &n
}
