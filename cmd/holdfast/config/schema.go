package config

import _ "embed"

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of the configuration file, for editors. It is
// generated from this package: go generate ./cmd/holdfast/config.
func Schema() []byte { return schema }
