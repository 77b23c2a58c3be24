package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/goccy/go-yaml"
)

// Show writes the configuration as it takes effect: defaults filled in, paths whole, names
// in order. Secrets are the references that the file has, never what they stand for. Parse
// reads the result back, unless the file holds an address that is itself a secret.
func (c *Config) Show() ([]byte, error) {
	b, err := yaml.MarshalWithOptions(fieldsOf(reflect.ValueOf(c).Elem()), yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("writing configuration: %w", err)
	}
	return b, nil
}

// ShowJSON is Show as one JSON document.
func (c *Config) ShowJSON() ([]byte, error) {
	b, err := c.Show()
	if err != nil {
		return nil, err
	}
	if b, err = yaml.YAMLToJSON(b); err != nil {
		return nil, fmt.Errorf("writing configuration: %w", err)
	}
	return b, nil
}

// Secrets lists the secrets that the file refers to, in the order of the file's sections.
func (c *Config) Secrets() []Secret {
	var all []Secret
	walk(reflect.ValueOf(c).Elem(), func(s Secret) { all = append(all, s) })
	return all
}

// fieldsOf turns structs into one ordered mapping, leaving out what is not set.
func fieldsOf(parts ...reflect.Value) yaml.MapSlice {
	var out yaml.MapSlice
	for _, part := range parts {
		for i, r := range fieldRules(part.Type()) {
			if r.key == "" || part.Field(i).IsZero() && !r.defaulted {
				continue
			}
			if shown := show(part.Field(i)); shown != nil {
				out = append(out, yaml.MapItem{Key: r.key, Value: shown})
			}
		}
	}
	return out
}

// show turns one value into what the YAML encoder knows, nil if there is nothing to show.
func show(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case Secret:
		return x.Reference()
	case RecipientRef:
		return x.Reference()
	case *Vault:
		parts := []reflect.Value{reflect.ValueOf(kindField{x.Kind}), reflect.ValueOf(x.VaultCommon)}
		for _, own := range x.own(x.Kind) {
			parts = append(parts, reflect.ValueOf(own).Elem())
		}
		return fieldsOf(parts...)
	case fmt.Stringer:
		return x.String()
	}
	switch v.Kind() {
	case reflect.Pointer:
		return show(v.Elem())
	case reflect.Struct:
		if fields := fieldsOf(v); len(fields) > 0 {
			return fields
		}
		return nil
	case reflect.Map:
		var out yaml.MapSlice
		for _, key := range slices.Sorted(maps.Keys(stringKeys(v))) {
			out = append(out, yaml.MapItem{Key: key, Value: show(v.MapIndex(reflect.ValueOf(key)))})
		}
		return out
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = show(v.Index(i))
		}
		return out
	case reflect.String:
		return v.String()
	case reflect.Int:
		return v.Int()
	}
	panic("config: no way to show " + v.Type().String())
}

func stringKeys(v reflect.Value) map[string]bool {
	keys := map[string]bool{}
	for _, k := range v.MapKeys() {
		keys[k.String()] = true
	}
	return keys
}

// walk calls f for each secret that is set, below v.
func walk(v reflect.Value, f func(Secret)) {
	if vault, ok := v.Interface().(*Vault); ok {
		for _, own := range vault.own(vault.Kind) {
			walk(reflect.ValueOf(own), f)
		}
		return
	}
	if s, ok := v.Interface().(Secret); ok {
		if s.IsSet() {
			f(s)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), f)
		}
	case reflect.Struct:
		for i, r := range fieldRules(v.Type()) {
			if r.key != "" {
				walk(v.Field(i), f)
			}
		}
	case reflect.Map:
		for _, key := range slices.Sorted(maps.Keys(stringKeys(v))) {
			walk(v.MapIndex(reflect.ValueOf(key)), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), f)
		}
	}
}
