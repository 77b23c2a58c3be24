package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// definitions are the two scripts of a dump.
type definitions struct{ pre, post *script.Script }

// readDefinitions runs pg_dump on the session's snapshot and keeps what the selection needs.
func (s *session) readDefinitions(ctx context.Context, c *chosen, sel Selection, program *script.Program, wait time.Duration, warn func(string)) (*definitions, error) {
	pre, post, err := script.Dump(ctx, s.server, script.Options{
		Program: program, Snapshot: s.snapshot, Exclude: c.leftOut(), LockWait: wait, Warn: warn})
	if err != nil {
		return nil, err
	}
	if err := script.Resolve(ctx, s.tx, pre, post); err != nil {
		return nil, err
	}
	if !sel.Whole() {
		pre, post = script.Pick(pre, post, c.wants)
	}
	d := &definitions{pre, post}
	if err := d.complete(); err != nil {
		return nil, err
	}
	return d, d.cover(c)
}

// leftOut lists what pg_dump is not to look at: what is not selected may be locked, or not ours to read.
func (c *chosen) leftOut() []script.Relation {
	in := map[uint32]bool{}
	for _, r := range append(slices.Clone(c.relations), c.sequences...) {
		in[r.oid] = true
	}
	var out []script.Relation
	for _, r := range c.all {
		if !in[r.oid] && r.extension == "" {
			out = append(out, script.Relation{Schema: r.Schema, Name: r.Name})
		}
	}
	return out
}

// wants picks the entries of what was selected. What these need comes along.
func (c *chosen) wants(e script.Entry) bool {
	if slices.Contains(c.schemas, e.Schema) || e.Type == "SCHEMA" && slices.Contains(c.schemas, e.Name) {
		return true
	}
	switch e.Type {
	case "TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE":
		return slices.ContainsFunc(c.relations, func(r *relation) bool { return r.Schema == e.Schema && r.Name == e.Name })
	}
	return false
}

// complete refuses definitions that could not be executed because they need what is left out. A
// foreign key to another table is known by then, and left to the restore.
func (d *definitions) complete() error {
	var lacking []string
	for _, s := range []*script.Script{d.pre, d.post} {
		for _, e := range s.Entries {
			if len(e.Lacks) > 0 && e.Type != "FK CONSTRAINT" {
				lacking = append(lacking, fmt.Sprintf("%s %s needs %s", strings.ToLower(e.Type), display(e.Schema)+"."+display(e.Name), strings.Join(e.Lacks, " and ")))
			}
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return fmt.Errorf("%w without what is not selected: %s", ErrUnsupported, list(lacking))
}

// cover makes sure that pg_dump looked at the tables and sequences that were selected, no more and no less:
// rows without a definition could not be restored, and a definition without rows would be restored empty.
func (d *definitions) cover(c *chosen) error {
	want := map[name]bool{}
	for _, r := range append(c.tables(), c.sequences...) {
		want[r.name] = true
	}
	var odd []string
	for _, e := range d.pre.Entries {
		if e.Type != "TABLE" && e.Type != "SEQUENCE" {
			continue
		}
		n := name{e.Schema, e.Name}
		if !want[n] {
			odd = append(odd, n.String())
		}
		delete(want, n)
	}
	for n := range want {
		odd = append(odd, n.String())
	}
	if len(odd) == 0 {
		return nil
	}
	slices.Sort(odd)
	return fmt.Errorf("%w: pg_dump saw other tables or sequences than were selected: %s", ErrChanged, list(odd))
}

// roles are those that owners, grants and policies name.
func (d *definitions) roles() []string {
	all := append(d.pre.Roles(), d.post.Roles()...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (d *definitions) tablespaces() []string {
	var all []string
	for _, s := range []*script.Script{d.pre, d.post} {
		for _, e := range s.Entries {
			if e.Space != "" {
				all = append(all, e.Space)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// serverVersion asks for server_version_num and the version as people know it.
func serverVersion(ctx context.Context, server *link.Server, q querier) (int, string, error) {
	var number int
	var text string
	err := q.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version')`).Scan(&number, &text)
	if err != nil {
		return 0, "", fmt.Errorf("asking %s for its version: %w", server, err)
	}
	if number < oldest {
		return 0, "", fmt.Errorf("%w: it is %s", ErrServerTooOld, text)
	}
	return number, text, nil
}
