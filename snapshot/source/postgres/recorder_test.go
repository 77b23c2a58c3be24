package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"holdfast/fixtures"
	"holdfast/snapshot"
	"holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/link"
)

var server fixtures.SharedPostgres

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

// A dump keeps streams in memory, and carries over those of the dump before it.
type dump struct {
	before *dump        // nil: none
	first  func(string) // called with the name of each stream that is first written to

	mu       sync.Mutex
	streams  []*stream
	about    snapshot.About
	warnings []string
}

type stream struct {
	snapshot.StreamInfo
	dump    *dump
	body    bytes.Buffer
	sealed  bool
	carried bool
	begun   bool
}

func (d *dump) Stream(_ context.Context, s snapshot.Stream) (snapshot.StreamWriter, error) {
	return d.add(&stream{StreamInfo: snapshot.StreamInfo{Name: s.Name, Format: s.Format}})
}

func (d *dump) add(s *stream) (*stream, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !fs.ValidPath(s.Name) {
		return nil, fmt.Errorf("%q is no name", s.Name)
	}
	if d.find(s.Name) != nil {
		return nil, fmt.Errorf("%q: %w", s.Name, fs.ErrExist)
	}
	s.dump = d
	d.streams = append(d.streams, s)
	return s, nil
}

func (d *dump) find(name string) *stream {
	if i := slices.IndexFunc(d.streams, func(s *stream) bool { return s.Name == name }); i >= 0 {
		return d.streams[i]
	}
	return nil
}

func (d *dump) About(a snapshot.About) { d.about = a }

func (d *dump) Warn(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.warnings = append(d.warnings, text)
}

func (d *dump) Earlier(context.Context) ([]snapshot.StreamInfo, error) {
	var all []snapshot.StreamInfo
	if d.before != nil {
		for _, s := range d.before.streams {
			all = append(all, s.StreamInfo)
		}
	}
	return all, nil
}

func (d *dump) Carry(_ context.Context, name string) error {
	if d.before == nil || d.before.find(name) == nil {
		return fmt.Errorf("the dump before has no %q", name)
	}
	old := d.before.find(name)
	_, err := d.add(&stream{StreamInfo: old.StreamInfo, body: *bytes.NewBuffer(old.body.Bytes()), sealed: true, carried: true})
	return err
}

func (s *stream) Write(p []byte) (int, error) {
	if !s.begun && s.dump.first != nil {
		s.begun = true
		s.dump.first(s.Name)
	}
	return s.body.Write(p)
}

// Seal sends the facts through JSON, as a repository does.
func (s *stream) Seal(rows int64, facts any) error {
	if s.sealed {
		return errors.New("sealed twice")
	}
	b, err := json.Marshal(facts)
	s.sealed, s.Rows, s.Bytes, s.Facts = true, rows, int64(s.body.Len()), b
	return err
}

// source returns a Source of a database of the shared server, as the superuser by the socket.
func source(t testing.TB, url string, tables ...string) *postgres.Source {
	t.Helper()
	s, err := link.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return &postgres.Source{Server: s, Selection: postgres.Selection{Tables: tables}}
}

// take dumps s after the dump before, which may be nil.
func take(t testing.TB, s *postgres.Source, before *dump) *dump {
	t.Helper()
	d := &dump{before: before}
	if err := s.Dump(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for _, s := range d.streams {
		if !s.sealed {
			t.Fatalf("stream %s was not sealed", s.Name)
		}
	}
	return d
}

// refuse wants an error that matches want, and that not all streams are sealed.
func refuse(t testing.TB, s *postgres.Source, want error) error {
	t.Helper()
	return refuseInto(t, s, &dump{}, want)
}

func refuseInto(t testing.TB, s *postgres.Source, d *dump, want error) error {
	t.Helper()
	err := s.Dump(t.Context(), d)
	if err == nil {
		t.Fatalf("dumping gave no error, but %d streams", len(d.streams))
	}
	if want != nil && !errors.Is(err, want) {
		t.Fatalf("dumping: %v; want %v", err, want)
	}
	return err
}

func (d *dump) facts(t testing.TB) postgres.Facts {
	t.Helper()
	var f postgres.Facts
	if err := json.Unmarshal(d.find(postgres.PreData).Facts, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// parts returns the streams of a table in the order of their names.
func (d *dump) parts(table string) []*stream { return d.partsOf("public", table) }

func (d *dump) partsOf(schema, table string) []*stream {
	var all []*stream
	for _, s := range d.streams {
		if strings.HasPrefix(s.Name, postgres.PartName(schema, table, "")) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *stream) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (s *stream) part(t testing.TB) postgres.Part {
	t.Helper()
	var p postgres.Part
	if err := json.Unmarshal(s.Facts, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// rows returns the lines of a table, sorted.
func (d *dump) rows(table string) []string {
	var all []string
	for _, s := range d.parts(table) {
		lines := strings.Split(s.body.String(), "\n")
		all = append(all, lines[:len(lines)-1]...)
	}
	slices.Sort(all)
	return all
}

// carried counts the parts of a table that were carried over, and all of them.
func (d *dump) carried(table string) (carried, all int) { return d.carriedOf("public", table) }

func (d *dump) carriedOf(schema, table string) (carried, all int) {
	for _, s := range d.partsOf(schema, table) {
		all++
		if s.carried {
			carried++
		}
	}
	return carried, all
}
