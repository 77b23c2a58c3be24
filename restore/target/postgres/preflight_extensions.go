package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// An available extension, as the server's files have it.
type available struct {
	version   string // that CREATE EXTENSION would make
	installed string // in this database; empty: not
	anyone    bool   // may create it who may create in the database
}

// extensions names those that cannot be made, or only in an older version: what
// was dumped may use what the newer one has.
func (x *examination) extensions(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, e := range x.pre {
		if e.Type == "EXTENSION" {
			wanted[e.Name] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	there, err := x.available(ctx)
	if err != nil {
		return fmt.Errorf("asking for extensions: %w", err)
	}
	recorded := map[string]string{}
	for _, e := range x.facts.Extensions {
		recorded[e.Name] = e.Version
	}
	for name := range wanted {
		x.extension(name, recorded[name], there)
	}
	return nil
}

func (x *examination) extension(name, want string, there map[string]available) {
	a, ok := there[name]
	has := a.installed
	if x.Create || has == "" {
		has = a.version
	}
	switch {
	case !ok:
		x.problem("extension %q: %w; install its files on the server", name, ErrMissing)
	case older(has, want):
		x.problem("extension %q in version %s: %w: the server has %s", name, want, ErrMissing, has)
	case !x.Create && a.installed != "" || x.super:
	case !a.anyone:
		x.problem("creating extension %q: %w: only a superuser may", name, ErrRights)
	case !x.open:
		x.problem("creating extension %q: %w: role %q has no CREATE on the database", name, ErrRights, x.user)
	}
}

func (x *examination) available(ctx context.Context) (map[string]available, error) {
	trusted := "v.trusted"
	if x.version < 130000 {
		trusted = "false"
	}
	rows, err := x.c.Query(ctx, `SELECT e.name, e.default_version, e.installed_version, NOT v.superuser OR `+trusted+`
		FROM pg_catalog.pg_available_extensions e
		LEFT JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version`)
	if err != nil {
		return nil, err
	}
	list := map[string]available{}
	for _, r := range rows {
		list[text(r[0])] = available{version: text(r[1]), installed: text(r[2]), anyone: text(r[3]) == "t"}
	}
	return list, nil
}

// older compares versions by their numbers. Versions without numbers are not compared.
func older(has, want string) bool {
	a, b := strings.Split(has, "."), strings.Split(want, ".")
	for i := range min(len(a), len(b)) {
		x, err1 := strconv.Atoi(a[i])
		y, err2 := strconv.Atoi(b[i])
		if err1 != nil || err2 != nil {
			return false
		}
		if x != y {
			return x < y
		}
	}
	return len(a) < len(b)
}
