// Package config turns a holdfast.yaml into typed, checked values. It is the only package
// that knows YAML, and no other package of Holdfast receives a configuration file: they get
// the values they use.
//
// One call goes like this. Load reads the file (at most 1 MiB) and hands it to Parse. Parse
// builds a small document tree that knows the line and column of everything in it
// (document.go), decodes that tree into a Config (decode.go, led by the struct tags of
// config.go, vault.go and schedule.go) and checks what concerns more than one value
// (check.go). Every mistake that can be told apart is reported at once, as Errors.
//
// What it guarantees:
//
//   - Unknown keys, duplicate keys, wrong types and dangling names are errors with a
//     position, and with a suggestion where something similar exists.
//   - A mistake is told without the text around it: no line of the file is ever quoted, and
//     a value that can be a credential is not repeated either.
//   - Secrets are references (env:NAME, file:PATH). They are read when they are used, by
//     Secret.Resolve, so a variable that one vault needs does not stop another vault.
//   - Parse touches nothing but its arguments. Load also reads the file itself, Recipients
//     and Escrow read the recipient files, and Resolve reads one secret.
//   - Hostile input costs bounded time and memory.
//
// The struct tags are the single account of what a key may hold: decoding, `config schema`
// and `config show` all read them. schema.json is generated from them and from the comments
// on the fields.
package config
