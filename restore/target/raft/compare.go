package raft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"holdfast/restore"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/raft/archive"
	"holdfast/snapshot/source/raft/state"
)

// ErrDiffers means that a server that took a snapshot does not hold what is in it.
var ErrDiffers = errors.New("the server holds something else than the snapshot")

// A comparison is what became of a dump's entries in a server.
type comparison struct {
	equal    int64            // byte for byte
	own      int64            // entries of the dump that are the server's own to change
	withheld int64            // entries that it was not given
	differ   map[string]int64 // others that are missing, added or changed, by kind
}

func (c *comparison) err() error {
	if len(c.differ) == 0 {
		return nil
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(c.differ)) {
		kinds = append(kinds, fmt.Sprintf("%d of kind %q", c.differ[kind], kind))
	}
	return fmt.Errorf("%w: entries that are missing, added or changed: %s", ErrDiffers, strings.Join(kinds, ", "))
}

func (c *comparison) String() string {
	text := fmt.Sprintf("%d of %d entries came back byte for byte", c.equal, c.equal+c.own+c.withheld)
	if c.own > 0 {
		text += fmt.Sprintf("; %d are for the server itself to change, such as leases, tokens and who leads", c.own)
	}
	if c.withheld > 0 {
		text += fmt.Sprintf("; %d were not loaded", c.withheld)
	}
	return text
}

// A downloader gives a server's own snapshot.
type downloader interface {
	Download(ctx context.Context, path string) (io.ReadCloser, error)
}

// readBack takes a snapshot of a server and compares it with d, entry by entry.
func readBack(ctx context.Context, server downloader, d restore.Dump, t tolerance) (*comparison, error) {
	got, err := server.Download(ctx, "sys/storage/raft/snapshot")
	if err != nil {
		return nil, fmt.Errorf("reading the server back: %w", err)
	}
	defer got.Close()
	var c *comparison
	err = archive.Read(got, func(name string, _ int64, r io.Reader) error {
		if name != raft.StateName {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		var err error
		c, err = compareStates(ctx, d, r, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the server back: %w", err)
	}
	return c, c.err()
}

func compareStates(ctx context.Context, d restore.Dump, got io.Reader, t tolerance) (*comparison, error) {
	want, err := openState(ctx, d, nil)
	if err != nil {
		return nil, err
	}
	defer want.Close()
	return compare(ctx, newOrdered(want), newOrdered(got), t)
}

// compare reads two states side by side. Both are read to their end.
func compare(ctx context.Context, want, got *ordered, t tolerance) (*comparison, error) {
	c := &comparison{differ: map[string]int64{}}
	for !want.ended || !got.ended {
		if err := errors.Join(want.err, got.err, ctx.Err()); err != nil {
			return nil, err
		}
		a, b := want.entry, got.entry
		switch {
		case got.ended || !want.ended && a.Key < b.Key:
			c.missed(a.Key, t)
			want.next()
		case want.ended || b.Key < a.Key:
			if !t.covers(b.Key) {
				c.count(b.Key)
			}
			got.next()
		default:
			if bytes.Equal(a.Value, b.Value) && a.SealWrap == b.SealWrap {
				c.equal++
			} else {
				c.missed(a.Key, t)
			}
			want.next()
			got.next()
		}
	}
	return c, errors.Join(want.err, got.err)
}

// missed counts an entry of the dump that did not come back as it was.
func (c *comparison) missed(key string, t tolerance) {
	switch {
	case t.withheld && withholds(key):
		c.withheld++
	case t.covers(key):
		c.own++
	default:
		c.count(key)
	}
}

func (c *comparison) count(key string) {
	kind, _ := state.Classify(key)
	c.differ[kind]++
}

// ordered is a state whose keys rise, as a server writes them.
type ordered struct {
	from  *state.Reader
	entry state.Entry
	begun bool
	ended bool // there is no entry any more, or err says why not
	err   error
}

func newOrdered(r io.Reader) *ordered {
	o := &ordered{from: state.NewReader(r)}
	o.next()
	return o
}

func (o *ordered) next() {
	before := o.entry.Key
	if o.entry, o.err = o.from.Next(); o.err != nil {
		o.ended = true
		if o.err == io.EOF {
			o.err = nil
		}
		return
	}
	if o.begun && o.entry.Key <= before {
		o.ended, o.err = true, fmt.Errorf("comparing states: %w", errUnordered)
	}
	o.begun = true
}

// errUnordered means that a state cannot be compared entry by entry, since its keys do not rise.
var errUnordered = errors.New("the keys are not in order, as a fork of the server writes them")
