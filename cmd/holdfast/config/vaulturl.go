package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"holdfast/snapshot"
)

// A VaultSpec is a vault as the command line names it, NAME=URL, ready for Template.
type VaultSpec struct {
	Name    string
	Kind    string
	URL     string // postgres: the URL, or env:NAME if it held a password
	Path    string // sqlite, files, auditlog
	Address string // raft
	Token   string // raft: env:NAME
	Note    string // what is left to do by hand, "" if nothing
}

// ParseVaultURL reads the URL of a vault called name: postgres://…, sqlite:///path,
// files:///dir, auditlog:///path or vault+https://host:8200. A password in it is not kept: the spec refers to
// an environment variable instead, and Note says so. Errors do not repeat the URL.
func ParseVaultURL(name, raw string) (VaultSpec, error) {
	v := VaultSpec{Name: name}
	if err := snapshot.CheckVault(name); err != nil {
		return v, &mistake{nameError("vault", name), ""}
	}
	fail := func(message, hint string) (VaultSpec, error) {
		return VaultSpec{}, &mistake{fmt.Sprintf("vault %s: %s", name, message), hint}
	}
	if v, isPath, err := pathVault(name, raw); isPath {
		return v, err
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return fail("this is not a URL", vaultURLHint)
	}
	switch u.Scheme {
	case "postgres", "postgresql":
		if u.Host == "" && u.RawQuery == "" {
			return fail("the URL names no server", "postgres://user@host/database")
		}
		v.Kind, v.URL = KindPostgres, raw
		if holdsPassword(raw) {
			v.URL = "env:" + envFor(name, "DSN")
			v.Note = fmt.Sprintf("set %s to the whole URL of %s before the first snapshot; its password was not written down", envFor(name, "DSN"), name)
		}
		return v, nil
	case "vault+https", "vault+http":
		if u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
			return fail("want the server's address alone", "vault+https://host:8200; the login goes into the file")
		}
		v.Kind = KindRaft
		v.Address = strings.TrimPrefix(u.Scheme, "vault+") + "://" + u.Host
		v.Token = "env:" + envFor(name, "TOKEN")
		v.Note = fmt.Sprintf("set %s to a token that may read sys/storage/raft/snapshot, or change auth of %s", envFor(name, "TOKEN"), name)
		return v, nil
	}
	return fail("no kind of vault has the scheme "+quote(u.Scheme), vaultURLHint)
}

const vaultURLHint = "postgres://…, sqlite:///path, files:///dir, auditlog:///path or vault+https://host:8200"

// pathVault reads a URL whose scheme is that of a path. The path is as it is written: people
// type file names, not escapes, so that %, ? and # in a name mean themselves.
func pathVault(name, raw string) (v VaultSpec, isPath bool, err error) {
	scheme, path, found := strings.Cut(raw, ":")
	kind, isPath := map[string]string{"sqlite": KindSQLite, "files": KindFiles, "file": KindFiles, "auditlog": KindAuditLog}[strings.ToLower(scheme)]
	if !found || !isPath {
		return v, false, nil
	}
	path, slashes := strings.CutPrefix(path, "//")
	if !slashes || !strings.HasPrefix(path, "/") {
		return v, true, &mistake{fmt.Sprintf("vault %s: the URL names no absolute path", name), strings.ToLower(scheme) + ":///absolute/path, with three slashes"}
	}
	return VaultSpec{Name: name, Kind: kind, Path: path}, true, nil
}

var notEnv = regexp.MustCompile(`[^A-Z0-9]+`)

// envFor names the environment variable for a secret of a vault.
func envFor(name, what string) string {
	env := notEnv.ReplaceAllString(strings.ToUpper(name), "_") + "_" + what
	if env[0] >= '0' && env[0] <= '9' {
		env = "VAULT_" + env
	}
	return env
}
