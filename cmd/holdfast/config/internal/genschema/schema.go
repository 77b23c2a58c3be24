package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"holdfast/cmd/holdfast/config"
)

// generate builds the schema of config.Config. dir is the folder of its source.
func generate(dir string) ([]byte, error) {
	comments, err := readComments(dir)
	if err != nil {
		return nil, err
	}
	r := &jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		Anonymous:                  true,
		Mapper:                     ofType,
		LookupComment: func(t reflect.Type, field string) string {
			return comments[t.Name()+"."+field]
		},
	}
	s := r.Reflect(new(config.Config))
	s.Title = "Holdfast configuration"
	for _, kind := range config.Kinds() {
		name, def := ofKind(r, s, kind)
		s.Definitions[name] = def
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// ofType says how the types that decode from one word look in the file.
func ofType(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[config.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: config.DurationPattern}
	case reflect.TypeFor[config.Size]():
		return &jsonschema.Schema{Type: "string", Pattern: config.SizePattern}
	case reflect.TypeFor[config.Rate]():
		return &jsonschema.Schema{Type: "string", Pattern: config.RatePattern}
	case reflect.TypeFor[config.Secret](), reflect.TypeFor[config.RecipientRef]():
		one := uint64(1)
		return &jsonschema.Schema{Type: "string", MinLength: &one}
	case reflect.TypeFor[config.Vault]():
		any := &jsonschema.Schema{}
		for _, kind := range config.Kinds() {
			any.OneOf = append(any.OneOf, &jsonschema.Schema{Ref: "#/$defs/" + definition(kind)})
		}
		return any
	}
	return nil
}

func definition(kind string) string { return "Vault_" + kind }

// ofKind is the schema of a vault of one kind: the key kind, what all have, and its own.
func ofKind(r *jsonschema.Reflector, root *jsonschema.Schema, kind string) (string, *jsonschema.Schema) {
	out := &jsonschema.Schema{Type: "object", AdditionalProperties: jsonschema.FalseSchema, Properties: jsonschema.NewProperties()}
	out.Properties.Set("kind", &jsonschema.Schema{Const: kind, Description: "What kind of vault this is."})
	out.Required = []string{"kind"}
	for _, part := range config.VaultParts(kind) {
		s := r.Reflect(part)
		own := s.Definitions[strings.TrimPrefix(s.Ref, "#/$defs/")]
		for p := own.Properties.Oldest(); p != nil; p = p.Next() {
			out.Properties.Set(p.Key, p.Value)
		}
		out.Required = append(out.Required, own.Required...)
		for name, def := range s.Definitions {
			if def != own {
				root.Definitions[name] = def
			}
		}
	}
	return definition(kind), out
}

// readComments collects the comments on the fields of every struct in dir, by Type.Field.
func readComments(dir string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	comments := map[string]string{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("reading comments: %w", err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			t, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := t.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, id := range field.Names {
						comments[t.Name.Name+"."+id.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
					}
				}
			}
			return false
		})
	}
	return comments, nil
}
