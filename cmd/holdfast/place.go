package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/cmd/holdfast/config"
	"holdfast/snapshot"
	"holdfast/snapshot/source/postgres/link"
)

// place says where to restore to.
type place struct {
	url      string // kind:///path, a path, or where a database is; empty: where the vault is
	only     []string
	streams  []snapshot.StreamInfo // of the snapshot
	replace  bool
	rehearse bool
	progress snapshot.Progress
	log      *slog.Logger

	create      bool   // of databases and KV mounts
	skipMissing bool   // of databases
	schema      string // of databases
	mount       string // of KV engines
	shares      shares // of Raft clusters
	unsealed    bool   // shares were named on the command line
}

// fits refuses what other kinds of vault have.
func (p place) fits(kind string) error {
	for _, f := range []struct {
		flag  string
		given bool
		kinds []string
	}{
		{"--create", p.create, []string{config.KindPostgres, config.KindKV}},
		{"--skip-missing", p.skipMissing, []string{config.KindPostgres}},
		{"--schema", p.schema != "", []string{config.KindPostgres}},
		{"--mount", p.mount != "", []string{config.KindKV}},
		{"--unseal", p.unsealed, []string{config.KindRaft}},
	} {
		if f.given && !slices.Contains(f.kinds, kind) {
			return misuse(fmt.Errorf("%s is for vaults of kind %s; this snapshot is of kind %s", f.flag, strings.Join(f.kinds, " and "), kind))
		}
	}
	return nil
}

// database reads where to restore a database to. A password belongs into the environment, a
// password file or a service file: the command line is there for everyone on the host to see.
func (p place) database(v *config.Vault) (*link.Server, error) {
	switch {
	case p.url == "" && v == nil:
		return nil, misuse(errors.New("say where to restore to with --to"))
	case p.url == "" && v.Kind != config.KindPostgres:
		return nil, misuse(fmt.Errorf("vault %s is of kind %s now, the snapshot of kind %s: say where to restore to with --to", v.Name, v.Kind, config.KindPostgres))
	case p.url == "":
		return database(v)
	}
	dsn, err := config.ResolveURL("--to", p.url)
	if err != nil {
		return nil, misuse(err)
	}
	if scheme, _, found := strings.Cut(dsn, ":"); found && isScheme(scheme) && scheme != config.KindPostgres {
		return nil, misuse(fmt.Errorf("--to: the snapshot is of kind %s, the URL of %s", config.KindPostgres, scheme))
	}
	return parseDatabase("--to", dsn)
}

// wholeStream checks that --only, if given, names the one stream of a vault that is restored whole.
func (p place) wholeStream() error {
	for _, pattern := range p.only {
		if ok, err := path.Match(pattern, p.streams[0].Name); err != nil || !ok {
			return misuse(fmt.Errorf("--only %q: this vault is one stream, %s, and is restored whole", pattern, p.streams[0].Name))
		}
	}
	return nil
}

// path reads where to restore to; the URL's scheme must be that of the snapshot's kind. What
// follows the scheme is the path as it stands: people type file names, not escapes, so that %, ?
// and # in a name mean themselves.
func (p place) path(kind string, v *config.Vault) (string, error) {
	if p.url == "" {
		return home(kind, v)
	}
	scheme, rest, _ := strings.Cut(p.url, ":")
	rest, slashes := strings.CutPrefix(rest, "//")
	if !slashes && !isScheme(scheme) {
		return p.url, nil
	}
	if scheme = strings.ToLower(scheme); slashes && scheme != kind && scheme != "file" {
		return "", misuse(fmt.Errorf("--to %q: the snapshot is of kind %s", p.url, kind))
	}
	if !slashes || !filepath.IsAbs(rest) {
		return "", &usage{message: fmt.Sprintf("--to %q is neither a URL nor a plain path", p.url),
			hint: fmt.Sprintf("write %s:///absolute/path, with three slashes; a file of this name is ./%s", kind, p.url)}
	}
	return rest, nil
}

// isScheme tells words that begin a URL, and hardly a file's name, when a colon follows.
func isScheme(word string) bool {
	switch strings.ToLower(word) {
	case "file", "s3", "vault+https", "vault+http":
		return true
	}
	return slices.Contains(config.Kinds(), strings.ToLower(word))
}

// home is where a configured vault lives.
func home(kind string, v *config.Vault) (string, error) {
	switch {
	case v == nil:
		return "", misuse(fmt.Errorf("say where to restore to with --to"))
	case v.Kind != kind:
		return "", misuse(fmt.Errorf("vault %s is of kind %s now, the snapshot of kind %s: say where to restore to with --to", v.Name, v.Kind, kind))
	case v.SQLite != nil:
		return string(v.SQLite.Path), nil
	case v.Files != nil:
		return string(v.Files.Path), nil
	case v.AuditLog != nil:
		return string(v.AuditLog.Path), nil
	}
	return "", unknownKind(kind)
}
