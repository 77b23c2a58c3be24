package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestSchemaAgreesWithParse(t *testing.T) {
	b := func(more string) string { return base + more }
	for text, good := range map[string]bool{
		base: true,
		b("jobs: {n: {vaults: [desktop], retries: 3, timeout: 2h}}\n"):        true,
		b("limits: {memory: 200MiB, upload_rate: 5MB/s}\n"):                   true,
		b("report: {frameworks: [soc2]}\n"):                                   true,
		b("jobs: {n: {vaults: [desktop], retries: 21}}\n"):                    false,
		b("jobs: {n: {vaults: [desktop], retries: \"3\"}}\n"):                 false,
		b("jobs: {n: {vaults: desktop}}\n"):                                   false,
		b("jobs: {n: {vaults: [desktop], timeout: 2mo}}\n"):                   false,
		b("report: {frameworks: [soc3]}\n"):                                   false,
		b("limits: {memory: 200}\n"):                                          false,
		b("nonsense: 1\n"):                                                    false,
		strings.Replace(base, "sqlite, path: vault.db", "sqlite", 1):          false,
		strings.Replace(base, "sqlite", "mysql", 1):                           false,
		strings.Replace(base, "path: vault.db", "path: v, tables: [a]", 1):    false,
		strings.Replace(base, "repository", "repositories", 1):                false,
		strings.Replace(base, "path: vault.db", "path: v, tags: {a: [b]}", 1): false,
	} {
		_, err := Parse("h.yaml", []byte(text))
		verdict := validate(t, []byte(text))
		if (err == nil) != good || (verdict == "") != good {
			t.Errorf("%s\nParse says %v, the schema %q, want good %v", text, err, verdict, good)
		}
	}
}

func TestEveryKeyIsDescribedInTheSchema(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	keys := 0
	for name, def := range root["$defs"].(map[string]any) {
		d := def.(map[string]any)
		if d["additionalProperties"] != false {
			t.Errorf("%s allows unknown keys", name)
		}
		for key, p := range d["properties"].(map[string]any) {
			keys++
			if s, _ := p.(map[string]any)["description"].(string); !strings.HasSuffix(s, ".") {
				t.Errorf("%s.%s is described as %q", name, key, s)
			}
		}
	}
	if root["$schema"] != "https://json-schema.org/draft/2020-12/schema" || keys < 60 {
		t.Errorf("%v with %d keys", root["$schema"], keys)
	}
}

// validate checks YAML text against the schema, as far as our schema goes, and returns the
// first thing wrong.
func validate(t *testing.T, text []byte) string {
	t.Helper()
	var doc, root map[string]any
	j, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(j, &doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	return against(root, root, doc, "")
}

func against(root, s map[string]any, v any, at string) string {
	for key, want := range s {
		bad := false
		object, _ := v.(map[string]any)
		switch key {
		case "$ref":
			def := root["$defs"].(map[string]any)[strings.TrimPrefix(want.(string), "#/$defs/")]
			if e := against(root, def.(map[string]any), v, at); e != "" {
				return e
			}
		case "oneOf":
			matches := 0
			for _, one := range want.([]any) {
				if against(root, one.(map[string]any), v, at) == "" {
					matches++
				}
			}
			bad = matches != 1
		case "type":
			got := map[reflect.Kind]string{reflect.Map: "object", reflect.Slice: "array", reflect.String: "string", reflect.Float64: "integer"}
			bad = v == nil || got[reflect.TypeOf(v).Kind()] != want
		case "const":
			bad = v != want
		case "enum":
			bad = !slices.Contains(want.([]any), v)
		case "required":
			for _, r := range want.([]any) {
				_, has := object[r.(string)]
				bad = bad || !has
			}
		case "minimum":
			f, ok := v.(float64)
			bad = ok && f < want.(float64)
		case "maximum":
			f, ok := v.(float64)
			bad = ok && f > want.(float64)
		case "minLength":
			text, ok := v.(string)
			bad = ok && text == ""
		case "minItems":
			list, ok := v.([]any)
			bad = ok && len(list) == 0
		case "pattern":
			text, ok := v.(string)
			bad = ok && !regexp.MustCompile(want.(string)).MatchString(text)
		case "items":
			list, _ := v.([]any)
			for i, item := range list {
				if e := against(root, want.(map[string]any), item, fmt.Sprintf("%s/%d", at, i)); e != "" {
					return e
				}
			}
		case "properties", "additionalProperties":
			props, _ := s["properties"].(map[string]any)
			rest, _ := s["additionalProperties"].(map[string]any)
			for k, item := range object {
				below, known := props[k].(map[string]any)
				if !known {
					below = rest
				}
				if below == nil {
					return at + "/" + k + ": unknown"
				}
				if e := against(root, below, item, at+"/"+k); e != "" {
					return e
				}
			}
		case "$schema", "$defs", "description", "default", "title":
		default:
			return "the test does not know the keyword " + key
		}
		if bad {
			return fmt.Sprintf("%s: %s", at, key)
		}
	}
	return ""
}
