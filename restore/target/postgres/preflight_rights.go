package postgres

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"holdfast/snapshot/source/postgres/script"
)

// rights asks whether the role may create where the dump has to be created.
func (x *examination) rights(ctx context.Context) error {
	if x.super {
		return nil
	}
	if x.Create {
		if !x.mayCreate {
			x.problem("creating a database: %w: role %q has no CREATEDB", ErrRights, x.user)
		}
		return nil
	}
	rows, err := x.c.Query(ctx, "SELECT nspname, pg_catalog.has_schema_privilege(oid, 'CREATE') FROM pg_catalog.pg_namespace")
	if err != nil {
		return fmt.Errorf("asking for rights on schemas: %w", err)
	}
	usable := map[string]bool{}
	for _, r := range rows {
		usable[text(r[0])] = text(r[1]) == "t"
	}
	for _, schema := range x.schemas() {
		may, there := usable[schema]
		switch {
		case there && !may:
			x.problem("creating in schema %q: %w", schema, ErrRights)
		case !there && !x.open:
			x.problem("creating schema %q: %w: role %q has no CREATE on the database", schema, ErrRights, x.user)
		}
	}
	return nil
}

// schemas are those that something is created in.
func (x *examination) schemas() []string {
	seen := map[string]bool{}
	from, moves := x.moves()
	for _, e := range x.pre {
		name := e.Schema
		switch {
		case e.Type == "SCHEMA":
			name = e.Name
		case name == "" || name == "-" || remark(e):
			continue
		}
		if moves && name == from {
			name = x.Schema
		}
		seen[name] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// owners asks whether the role may give objects to their owners: for that it has to be a member. It has to
// inherit their rights, too, or it could not load what it has given away.
func (x *examination) owners(ctx context.Context) error {
	if x.super {
		return nil
	}
	for _, owner := range x.givenTo() {
		if !x.there[owner] || owner == x.user {
			continue
		}
		rows, err := x.c.Query(ctx, "SELECT pg_catalog.pg_has_role($1::name, $2::text), pg_catalog.pg_has_role($1::name, 'USAGE')",
			owner, x.membership())
		if err != nil {
			return fmt.Errorf("asking for membership in role %q: %w", owner, err)
		}
		switch {
		case text(rows[0][0]) != "t":
			x.problem("giving objects to their owner %q: %w: role %q is not a member", owner, ErrRights, x.user)
		case text(rows[0][1]) != "t":
			x.problem("loading tables of their owner %q: %w: role %q does not inherit its rights", owner, ErrRights, x.user)
		}
	}
	return nil
}

func (x *examination) membership() string {
	if x.version >= 160000 {
		return "SET"
	}
	return "MEMBER"
}

// givenTo are the roles that something is given to.
func (x *examination) givenTo() []string {
	seen := map[string]bool{}
	for _, e := range x.entries() {
		if e.Owner != "" && e.Owner != "-" && slices.ContainsFunc(e.Statements(), ownership.MatchString) {
			seen[e.Owner] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// forSuperusers are the types of entries that only a superuser may create.
var forSuperusers = map[string]bool{"EVENT TRIGGER": true, "SHELL TYPE": true, "OPERATOR CLASS": true, "OPERATOR FAMILY": true,
	"TEXT SEARCH PARSER": true, "TEXT SEARCH TEMPLATE": true, "ACCESS METHOD": true, "FOREIGN DATA WRAPPER": true}

var (
	inC       = regexp.MustCompile(`(?m)^ +LANGUAGE (c|internal)\b`)
	asAnother = "SET SESSION AUTHORIZATION "
)

// privileged names what the role may not create because it is no superuser.
func (x *examination) privileged(context.Context) error {
	if x.super {
		return nil
	}
	var names []string
	for _, e := range x.entries() {
		if forSuperusers[e.Type] || e.Type == "FUNCTION" && inC.MatchString(e.SQL) || everyTable(e) ||
			slices.ContainsFunc(e.Statements(), func(s string) bool { return strings.HasPrefix(s, asAnother) }) {
			names = append(names, title(e))
		}
	}
	if len(names) > 0 {
		x.problem("creating %s: %w: only a superuser may", list(names), ErrRights)
	}
	return nil
}

func everyTable(e script.Entry) bool {
	return e.Type == "PUBLICATION" && strings.Contains(e.SQL, " FOR ALL TABLES") || e.Type == "PUBLICATION TABLES IN SCHEMA"
}

// connections asks whether the server has room for the workers of a load into a new database.
func (x *examination) connections(ctx context.Context) error {
	need := 2
	if x.Create {
		need += max(x.Workers, 2)
	}
	reserved := "pg_catalog.current_setting('superuser_reserved_connections')::int"
	if x.version >= 160000 {
		reserved += " + pg_catalog.current_setting('reserved_connections')::int"
	}
	if x.super {
		reserved = "0"
	}
	rows, err := x.c.Query(ctx, `SELECT LEAST(pg_catalog.current_setting('max_connections')::int - (`+reserved+`)
		- (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'),
		(SELECT CASE WHEN rolconnlimit < 0 OR rolsuper THEN 1000000 ELSE rolconnlimit END
			- (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usename = current_user)
			FROM pg_catalog.pg_roles WHERE rolname = current_user))`)
	if err != nil {
		return fmt.Errorf("asking for connections: %w", err)
	}
	free, err := strconv.Atoi(text(rows[0][0]))
	if err != nil {
		return fmt.Errorf("asking for connections: %w", err)
	}
	if free+1 < need { // this one ends before the load begins
		x.problem("the load needs %d connections, the server has %d left for role %q", need, free+1, x.user)
	}
	return nil
}
