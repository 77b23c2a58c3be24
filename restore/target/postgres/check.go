package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/restore"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/script"
)

// A Checker proves the structure of a dump while it streams by: scripts of whole statements, rows of
// the right shape, in the number and with the digest that was taken at the source, and no table
// without all of its parts. It needs no server.
type Checker struct{}

var _ restore.Checker = Checker{}

// checkers is how many streams are read at once.
const checkers = 2

// Check reads every stream of d to io.EOF. The counts it returns are of the bytes it read.
func (Checker) Check(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	p, err := readPlan(ctx, d)
	if err == nil {
		err = p.agree()
	}
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("checking a PostgreSQL dump: %w", err)
	}
	c := checking{dump: d, loaded: slices.Clone(p.read)}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(checkers)
	for _, t := range p.tables {
		for _, x := range t.parts {
			g.Go(func() error { return c.part(ctx, x) })
		}
	}
	if err := g.Wait(); err != nil {
		return restore.Loaded{}, fmt.Errorf("checking a PostgreSQL dump: %w", err)
	}
	return restore.Loaded{Streams: c.loaded}, nil
}

// readPlan reads all of a dump but its rows.
func readPlan(ctx context.Context, d restore.Dump) (*plan, error) {
	p := &plan{}
	for _, read := range []func() error{
		func() error { return p.readFacts(d) },
		func() error { return p.readParts(d) },
		func() error { return p.readScripts(ctx, d) },
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// agree compares what the scripts define with the streams that there are.
func (p *plan) agree() error {
	defined := withRows(p.pre)
	for _, t := range p.tables {
		name := script.Relation{Schema: t.schema, Name: t.name}
		if !defined[name] {
			return snapshot.Damaged(t.parts[0].info.Name, "no table %s is defined", name)
		}
		delete(defined, name)
		if err := t.covers(); err != nil {
			return err
		}
	}
	for name := range defined {
		return snapshot.Damaged(source.PreData, "table %s is defined and has no stream of rows", name)
	}
	if err := p.agreeViews(); err != nil {
		return err
	}
	return p.agreeSequences()
}

// agreeViews checks that of every materialized view it is known whether it was filled.
func (p *plan) agreeViews() error {
	for _, e := range p.entries() {
		if e.Type != "MATERIALIZED VIEW" {
			continue
		}
		if !slices.ContainsFunc(p.facts.Views, func(v source.View) bool { return v.Schema == e.Schema && v.Name == e.Name }) {
			return snapshot.Damaged(source.PreData, "it does not tell whether the materialized view %s was filled", e.Relation())
		}
	}
	return nil
}

// withRows are the tables that have rows of their own: all but those that are only there to have
// partitions.
func withRows(pre []script.Entry) map[script.Relation]bool {
	list := map[script.Relation]bool{}
	for _, e := range pre {
		if e.Type == "TABLE" && !e.Partitioned() {
			list[e.Relation()] = true
		}
	}
	return list
}

func (p *plan) agreeSequences() error {
	defined := map[script.Relation]bool{}
	for _, e := range p.pre {
		if e.Type == "SEQUENCE" {
			defined[e.Relation()] = true
		}
	}
	for _, s := range p.sequences {
		if !defined[s.of] {
			return snapshot.Damaged(source.Sequences, "it sets %s, which is defined nowhere or set twice", s.of)
		}
		delete(defined, s.of)
	}
	for name := range defined {
		if p.facts.Selection.Whole() {
			return snapshot.Damaged(source.Sequences, "it does not set %s", name)
		}
	}
	return nil
}

// covers checks that the parts of t leave no gap between them and do not overlap: each begins where
// the one before it ends, the first and the last are open.
func (t *table) covers() error {
	at := ""
	for i, p := range t.parts {
		switch {
		case p.Order != t.parts[0].Order:
			return snapshot.Damaged(p.info.Name, "it is ordered by %q, other parts of the table by %q", p.Order, t.parts[0].Order)
		case p.From != at || i > 0 && p.From == "":
			return snapshot.Damaged(p.info.Name, "it begins at %q, the part before it ends at %q", p.From, at)
		}
		at = p.To
	}
	if at != "" {
		return snapshot.Damaged(t.parts[len(t.parts)-1].info.Name, "it is the last part of %s and ends at %q", t, at)
	}
	return nil
}

type checking struct {
	dump restore.Dump

	mu     sync.Mutex
	loaded []restore.LoadedStream
}

// part reads one stream of rows to its io.EOF.
func (c *checking) part(ctx context.Context, p part) (err error) {
	r, err := c.dump.Open(ctx, p.info.Name)
	if err != nil {
		return fmt.Errorf("reading stream %q: %w", p.info.Name, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var tally source.Tally
	shape := &shape{columns: len(p.Columns)}
	// Rows of the wrong shape are told only once the reader had the chance to say that they are
	// damaged.
	_, err = io.CopyBuffer(io.MultiWriter(&tally, shape), &counted{ctx: ctx, r: r}, make([]byte, 256<<10))
	if err != nil {
		return fmt.Errorf("reading stream %q: %w", p.info.Name, err)
	}
	digest, err := tally.Digest()
	switch {
	case err != nil:
		return snapshot.Damaged(p.info.Name, "%w", err)
	case shape.err != nil:
		return snapshot.Damaged(p.info.Name, "%w", shape.err)
	case tally.Rows != p.info.Rows:
		return snapshot.Damaged(p.info.Name, "it has %d rows instead of %d", tally.Rows, p.info.Rows)
	case digest != p.Digest:
		return snapshot.Damaged(p.info.Name, "its rows have the digest %s instead of %s", digest, p.Digest)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded = append(c.loaded, restore.LoadedStream{Name: p.info.Name, Rows: tally.Rows, Bytes: tally.Bytes})
	return nil
}
