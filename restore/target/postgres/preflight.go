package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"holdfast/restore"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

var (
	// ErrTooOld means that the server is older than the one that was dumped.
	ErrTooOld = errors.New("the server is older than the dump")
	// ErrMissing means that the server lacks what the dump needs: a role, an extension, a table.
	ErrMissing = errors.New("missing in the target")
	// ErrRights means that the role that restores may not do all that the dump needs.
	ErrRights = errors.New("the role has not the rights")
	// ErrEncoding means that the database cannot hold every character of the dump.
	ErrEncoding = errors.New("the encoding differs")
)

// Preflight asks the server, without changing anything, for all that stands in the way of Load, and
// returns it at once: the error has restore.Problems in it. What differs without being in the way, such as the
// collation, is logged.
func (t *Target) Preflight(ctx context.Context, d restore.Dump) error {
	p, err := t.plan(ctx, d)
	if err != nil {
		return restore.Problems{err}
	}
	server, err := t.at(ctx)
	if err != nil {
		return restore.Problems{fmt.Errorf("reaching %s: %w", t.Server, err)}
	}
	l := &loading{Target: t, plan: p, dump: d, server: server, log: t.Log}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	found := restore.Problems(l.preflight(ctx))
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := found.ErrOrNil(); err != nil {
		return fmt.Errorf("%s: %w", t.Server, err)
	}
	return nil
}

func (l *loading) preflight(ctx context.Context) []error {
	if err := l.leaveOut(ctx); err != nil {
		return []error{err}
	}
	c, err := l.server.Connect(ctx)
	if err != nil {
		return []error{err}
	}
	x := &examination{loading: l, c: c}
	err = x.prepare(ctx)
	if err == nil {
		for _, examine := range []func(context.Context) error{x.versions, x.locales, x.extensions, x.roles, x.owners, x.tablespaces,
			x.rights, x.privileged, x.foreignKeys, x.conflicts, x.space, x.connections} {
			if err := examine(ctx); err != nil {
				x.problem("%w", err)
			}
		}
	}
	if err = errors.Join(err, hangUp(ctx, c)); err != nil {
		x.problem("%w", err)
	}
	return x.problems
}

// An examination is one preflight in progress. Each of its methods adds the problems it finds, and
// returns an error only if it could not look.
type examination struct {
	*loading
	c        *link.Conn
	problems []error

	version   int
	user      string
	super     bool
	mayCreate bool            // databases
	open      bool            // the database, for new schemas and extensions
	there     map[string]bool // roles of the server
}

func (x *examination) problem(format string, args ...any) {
	x.problems = append(x.problems, fmt.Errorf(format, args...))
}

// prepare asks for what most examinations need.
func (x *examination) prepare(ctx context.Context) (err error) {
	if x.version, err = serverVersion(ctx, x.c); err != nil {
		return err
	}
	rows, err := x.c.Query(ctx, "SELECT rolname, rolsuper, rolcreatedb, rolname = current_user FROM pg_catalog.pg_roles")
	if err != nil {
		return fmt.Errorf("asking for roles: %w", err)
	}
	x.there = map[string]bool{}
	for _, r := range rows {
		x.there[text(r[0])] = true
		if text(r[3]) == "t" {
			x.user, x.super, x.mayCreate = text(r[0]), text(r[1]) == "t", text(r[1]) == "t" || text(r[2]) == "t"
		}
	}
	rows, err = x.c.Query(ctx, "SELECT pg_catalog.has_database_privilege(current_database(), 'CREATE')")
	if err != nil {
		return fmt.Errorf("asking for rights on the database: %w", err)
	}
	x.open = x.Create || text(rows[0][0]) == "t" // a database that is made is the role's own
	return nil
}

func (x *examination) versions(ctx context.Context) error {
	if x.version/10000 < x.facts.Version/10000 {
		x.problem("%w: it is %s, and %s was dumped", ErrTooOld, release(x.version), release(x.facts.Version))
	}
	rows, err := x.c.Query(ctx, "SELECT pg_catalog.pg_is_in_recovery()")
	if err != nil {
		return fmt.Errorf("asking whether it is a standby: %w", err)
	}
	if text(rows[0][0]) == "t" {
		x.problem("it is a standby, which takes no writes")
	}
	return nil
}

// locales compares encoding and collation. Another collation is not in the way: indexes are built anew
// by the target's rules. With Create the database gets those of the dump, and the server
// refuses before anything is loaded if it does not know them.
func (x *examination) locales(ctx context.Context) error {
	if x.Create {
		return nil
	}
	rows, err := x.c.Query(ctx, `SELECT pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype
		FROM pg_catalog.pg_database WHERE datname = current_database()`)
	if err != nil {
		return fmt.Errorf("asking for the encoding: %w", err)
	}
	encoding, collate, ctype := text(rows[0][0]), text(rows[0][1]), text(rows[0][2])
	if encoding != x.facts.Encoding && encoding != "UTF8" {
		x.problem("%w: it is %s, that of the dump %s", ErrEncoding, encoding, x.facts.Encoding)
	}
	if collate != x.facts.Collate || ctype != x.facts.CType {
		x.log.Warn("the collation differs from that of the dump: text may sort otherwise",
			"collate", collate, "dumped_collate", x.facts.Collate, "ctype", ctype, "dumped_ctype", x.facts.CType)
	}
	return nil
}

// roles names the roles that statements need. Those that were left out are not in the plan any more.
func (x *examination) roles(context.Context) error {
	var missing []string
	for _, r := range x.scriptRoles() {
		if !x.there[r] {
			missing = append(missing, r)
		}
	}
	for _, r := range missing {
		x.problem("role %q: %w", r, ErrMissing)
	}
	return nil
}

func (x *examination) scriptRoles() []string {
	s := &script.Script{Entries: x.entries()}
	return s.Roles()
}

// tablespaces names those that are missing or closed to the role.
func (x *examination) tablespaces(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, e := range x.entries() {
		if e.Space != "" {
			wanted[e.Space] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	rows, err := x.c.Query(ctx, "SELECT spcname, pg_catalog.has_tablespace_privilege(oid, 'CREATE') FROM pg_catalog.pg_tablespace")
	if err != nil {
		return fmt.Errorf("asking for tablespaces: %w", err)
	}
	usable := map[string]bool{}
	for _, r := range rows {
		usable[text(r[0])] = text(r[1]) == "t"
	}
	for name := range wanted {
		may, there := usable[name]
		switch {
		case !there:
			x.problem("tablespace %q: %w", name, ErrMissing)
		case !may:
			x.problem("creating in tablespace %q: %w", name, ErrRights)
		}
	}
	return nil
}

// foreignKeys names tables that foreign keys refer to and that will not be there.
func (x *examination) foreignKeys(ctx context.Context) error {
	made := map[script.Relation]bool{}
	for _, e := range x.pre {
		if e.Type == "TABLE" {
			made[e.Relation()] = true
		}
	}
	asked := map[script.Relation]bool{}
	for _, e := range x.post {
		from, to, ok := e.ForeignKey()
		if !ok || made[to] || asked[to] {
			continue
		}
		asked[to] = true
		there, err := x.hasTable(ctx, x.c, to)
		if err != nil {
			return fmt.Errorf("looking for table %s: %w", to, err)
		}
		if !there {
			x.problem("table %s, which %s refers to: %w", to, from, ErrMissing)
			continue
		}
		rows, err := x.c.Query(ctx, "SELECT pg_catalog.has_table_privilege(pg_catalog.to_regclass($1), 'REFERENCES')",
			qualified(to.Schema, to.Name))
		if err != nil {
			return fmt.Errorf("asking for rights on table %s: %w", to, err)
		}
		if text(rows[0][0]) != "t" {
			x.problem("referring to table %s from %s: %w", to, from, ErrRights)
		}
	}
	return nil
}

// conflicts names what is there already and cannot give way.
func (x *examination) conflicts(ctx context.Context) error {
	if x.Create {
		return x.vacant(ctx)
	}
	if err := x.movable(); err != nil {
		return err
	}
	r, err := x.survey(ctx)
	if err != nil {
		return err
	}
	conflicts := r.conflicts(x.plan)
	switch {
	case len(conflicts) == 0:
		return nil
	case !x.Replace:
		var all restore.Problems
		if err := occupied(conflicts); !errors.As(err, &all) {
			return err
		}
		x.problems = append(x.problems, all...)
		return nil
	}
	return r.canGiveWay(ctx, x.c, conflicts)
}

// canGiveWay decides what Load decides again once it holds locks.
func (r *room) canGiveWay(ctx context.Context, c *link.Conn, conflicts []script.Entry) error {
	entries, roots := r.roots(conflicts)
	g, err := reached(ctx, c, roots)
	if err != nil {
		return err
	}
	_, err = r.decide(g, roots, entries)
	return err
}

// list writes names for people, at most ten of them.
func list(names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
