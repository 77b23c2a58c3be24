package main

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"holdfast/cmd/holdfast/config"
	"holdfast/restore"
	filestarget "holdfast/restore/target/files"
	sqlitetarget "holdfast/restore/target/sqlite"
	"holdfast/snapshot"
	"holdfast/snapshot/source/files"
	"holdfast/snapshot/source/sqlite"
)

// This file is the only place that knows every kind of vault.

// Errors of the adapters that exit.go has a code or a hint for.
var (
	errVaultLocked   = sqlite.ErrLocked
	errVaultEmpty    = sqlite.ErrEmpty
	errFolderEmpty   = files.ErrEmpty
	errFileChanged   = files.ErrChanged
	errTargetInUse   = sqlitetarget.ErrInUse
	errTargetForeign = sqlitetarget.ErrNotDatabase
	errNothingChosen = filestarget.ErrNoMatch
)

// source builds the source of a configured vault.
func source(v *config.Vault) (snapshot.Source, error) {
	switch v.Kind {
	case config.KindSQLite:
		return &sqlite.Source{Path: string(v.SQLite.Path), BusyTimeout: v.SQLite.BusyTimeout.Std()}, nil
	case config.KindFiles:
		return &files.Source{Path: string(v.Files.Path), Exclude: v.Files.Exclude, OnChange: v.Files.OnChange}, nil
	}
	return nil, unknownKind(v.Kind)
}

func unknownKind(kind string) error {
	return misuse(fmt.Errorf("this version cannot read or write vaults of kind %q", kind))
}

// checkers prove the structure of dumps, by kind.
func checkers() map[string]restore.Checker {
	return map[string]restore.Checker{
		config.KindSQLite: sqlitetarget.Checker{},
		config.KindFiles:  filestarget.Checker{},
	}
}

// place says where to restore to.
type place struct {
	url      string // kind:///path, or a path; empty: where the vault is
	only     []string
	streams  []snapshot.StreamInfo // of the snapshot
	replace  bool
	rehearse bool
}

// target builds the target of a restore of kind, and names it for people.
func target(kind string, v *config.Vault, p place) (restore.Target, string, error) {
	to, err := p.path(kind, v)
	if err != nil {
		return nil, "", err
	}
	switch kind {
	case config.KindSQLite:
		if err := p.wholeStream(); err != nil {
			return nil, "", err
		}
		return &sqlitetarget.Target{Path: to, Replace: p.replace, Rehearse: p.rehearse}, to, nil
	case config.KindFiles:
		return &filestarget.Target{Path: to, Only: p.only, Replace: p.replace, Rehearse: p.rehearse}, to, nil
	}
	return nil, "", unknownKind(kind)
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
	case config.KindSQLite, config.KindFiles, config.KindPostgres, config.KindRaft, config.KindKV, "file", "s3":
		return true
	}
	return false
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
	}
	return "", unknownKind(kind)
}

// differs find what changed inside dumps, by kind.
func differs() map[string]restore.Differ {
	return map[string]restore.Differ{
		config.KindSQLite: sqlitetarget.Diff,
		config.KindFiles:  filestarget.Diff,
	}
}
