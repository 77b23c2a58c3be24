package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"holdfast/restore"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/script"
)

// maxScript bounds a script of the schema, which is held in memory.
const maxScript = 256 << 20

// A plan is what is to be loaded: all of a dump, or what Only picks of it.
type plan struct {
	facts     source.Facts
	pre, post []script.Entry // in the order in which they can be created
	tables    []*table       // that have rows of their own, in the order of their names
	sequences []sequence
	views     []source.View // to be refreshed, in order

	read  []restore.LoadedStream // scripts, as they were read
	notes []string
}

// A table is one whose rows are in the dump.
type table struct {
	schema, name string
	columns      []string
	parts        []part // in the order in which to load them
	via          *tree  // what to load it by; nil: by itself
}

type part struct {
	info snapshot.StreamInfo
	source.Part
}

func (t *table) String() string { return t.schema + "." + t.name }

// want is what the dump has of the table: how many rows, and the digest of all.
func (t *table) want() (rows int64, digest source.Digest) {
	for _, p := range t.parts {
		rows += p.info.Rows
		digest = digest.Add(p.Digest)
	}
	return rows, digest
}

func (t *table) bytes() int64 {
	var n int64
	for _, p := range t.parts {
		n += p.info.Bytes
	}
	return n
}

// plan reads the scripts of d and finds out what to load.
func (t *Target) plan(ctx context.Context, d restore.Dump) (*plan, error) {
	p, err := readPlan(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := p.agree(); err != nil {
		return nil, err
	}
	for _, v := range p.facts.Views {
		if v.Populated {
			p.views = append(p.views, v)
		}
	}
	if len(t.Only) > 0 {
		if err := p.pick(t.Only); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *plan) readFacts(d restore.Dump) error {
	info, err := restore.Find(d, source.PreData)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(info.Facts, &p.facts); err != nil {
		return fmt.Errorf("reading the facts of stream %q: %w", info.Name, err)
	}
	return nil
}

// readParts gathers the tables and their parts from the facts of the streams.
func (p *plan) readParts(d restore.Dump) error {
	byName := map[[2]string]*table{}
	for _, info := range d.Streams() {
		switch {
		case info.Format == source.FormatSQL:
			continue
		case info.Format != source.FormatCopy:
			return fmt.Errorf("stream %q has format %q, which no dump of PostgreSQL has", info.Name, info.Format)
		}
		x := part{info: info}
		if err := json.Unmarshal(info.Facts, &x.Part); err != nil {
			return fmt.Errorf("reading the facts of stream %q: %w", info.Name, err)
		}
		of := byName[[2]string{x.Schema, x.Table}]
		if of == nil {
			of = &table{schema: x.Schema, name: x.Table, columns: x.Columns}
			byName[[2]string{x.Schema, x.Table}] = of
			p.tables = append(p.tables, of)
		}
		if !slices.Equal(of.columns, x.Columns) {
			return snapshot.Damaged(info.Name, "its columns are not those of the table's other parts")
		}
		of.parts = append(of.parts, x)
	}
	if len(p.tables) != p.facts.Tables {
		return snapshot.Damaged(source.PreData, "it tells of %d tables with rows, the dump has %d", p.facts.Tables, len(p.tables))
	}
	for _, t := range p.tables {
		slices.SortFunc(t.parts, func(a, b part) int { return strings.Compare(a.info.Name, b.info.Name) })
	}
	slices.SortFunc(p.tables, func(a, b *table) int {
		return cmp.Or(strings.Compare(a.schema, b.schema), strings.Compare(a.name, b.name))
	})
	return nil
}

func (p *plan) readScripts(ctx context.Context, d restore.Dump) error {
	pre, err := p.readScript(ctx, d, source.PreData)
	if err != nil {
		return err
	}
	post, err := p.readScript(ctx, d, source.PostData)
	if err != nil {
		return err
	}
	p.pre, p.post = pre.Entries, post.Entries
	return p.readSequences(ctx, d)
}

func (p *plan) readScript(ctx context.Context, d restore.Dump, name string) (s *script.Script, err error) {
	err = p.readStream(ctx, d, name, func(r io.Reader) error {
		s, err = script.Parse(r)
		return err
	})
	return s, err
}

// readStream reads a script to its io.EOF.
func (p *plan) readStream(ctx context.Context, d restore.Dump, name string, parse func(io.Reader) error) (err error) {
	info, err := restore.Find(d, name)
	if err != nil {
		return err
	}
	if info.Bytes > maxScript {
		return fmt.Errorf("reading stream %q: its %d bytes are more than any schema has", name, info.Bytes)
	}
	r, err := d.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	in := &counted{ctx: ctx, r: r}
	err = parse(in)
	if err == nil {
		_, err = io.Copy(io.Discard, in) // to the verdict
	}
	if err != nil {
		return fmt.Errorf("reading stream %q: %w", name, err)
	}
	p.read = append(p.read, restore.LoadedStream{Name: name, Bytes: in.n})
	return nil
}

// counted is a reader that counts, and ends with its context.
type counted struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (c *counted) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
