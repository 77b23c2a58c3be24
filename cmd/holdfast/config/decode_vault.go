package config

import (
	"fmt"
	"reflect"
	"strings"
)

// kindField is the key that decides which others a vault has.
type kindField struct {
	// What kind of vault this is.
	Kind string `yaml:"kind" jsonschema:"required"`
}

// vault decodes n, whose keys depend on one of them: kind.
func (d *decoder) vault(n *node, v *Vault, path string) {
	v.Name = path[strings.IndexByte(path, '/')+1:]
	if !d.want(n, mapNode) {
		return
	}
	kind, pos := "", d.keyOf(path)
	for _, e := range n.entries {
		if e.key == "kind" {
			kind, pos = e.value.text, e.value.pos
		}
	}
	own := v.make(kind)
	switch {
	case own == nil && kind == "":
		d.fail(pos, "one of "+strings.Join(Kinds(), ", "), "`kind` is missing")
		return
	case own == nil:
		d.fail(pos, didYouMean(kind, Kinds()), "unknown kind %s", quote(kind))
		return
	}
	k := kindField{}
	parts := []reflect.Value{reflect.ValueOf(&k).Elem(), reflect.ValueOf(&v.VaultCommon).Elem()}
	for _, part := range own {
		parts = append(parts, reflect.ValueOf(part).Elem())
	}
	d.fields(n, path, settingsOfOtherKinds(kind), parts...)
	v.Kind = k.Kind
}

// make gives v the settings of kind and returns the structs that hold them, or nil for an
// unknown kind.
func (v *Vault) make(kind string) []any {
	switch kind {
	case KindPostgres:
		v.Postgres = new(Postgres)
	case KindSQLite:
		v.SQLite = new(SQLite)
	case KindFiles:
		v.Files = new(Files)
	case KindRaft:
		v.Raft = new(Raft)
	case KindKV:
		v.KV = new(KV)
	case KindAuditLog:
		v.AuditLog = new(AuditLog)
	}
	return v.own(kind)
}

// own are the structs of the settings of kind, or nil for an unknown kind.
func (v *Vault) own(kind string) []any {
	switch kind {
	case KindPostgres:
		return []any{v.Postgres}
	case KindSQLite:
		return []any{v.SQLite}
	case KindFiles:
		return []any{v.Files}
	case KindRaft:
		return []any{&v.Raft.Cluster, v.Raft}
	case KindKV:
		return []any{&v.KV.Cluster, v.KV}
	case KindAuditLog:
		return []any{v.AuditLog}
	}
	return nil
}

// settingsOfOtherKinds explains the keys that a vault of kind cannot have.
func settingsOfOtherKinds(kind string) map[string]string {
	hints := map[string]string{}
	for _, other := range Kinds() {
		for _, part := range new(Vault).make(other) {
			for _, r := range fieldRules(reflect.TypeOf(part).Elem()) {
				if other != kind && hints[r.key] == "" {
					hints[r.key] = fmt.Sprintf("`%s` is a setting of kind %s, not of %s", r.key, other, kind)
				}
			}
		}
	}
	return hints
}

// VaultParts are empty values of the structs that together describe a vault of kind, for
// the schema.
func VaultParts(kind string) []any { return append([]any{new(VaultCommon)}, new(Vault).make(kind)...) }
