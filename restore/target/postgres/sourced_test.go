package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"testing"

	"holdfast/fixtures"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/postgres"
)

// A taking is a snapshot.Dump that ends in a fakeDump.
type taking struct {
	t    testing.TB
	mu   sync.Mutex
	into *fakeDump
}

type takingStream struct {
	bytes.Buffer
	of   *taking
	name snapshot.Stream
}

func (d *taking) Stream(_ context.Context, s snapshot.Stream) (snapshot.StreamWriter, error) {
	return &takingStream{of: d, name: s}, nil
}
func (d *taking) About(snapshot.About) {}
func (d *taking) Warn(string)          {}

func (s *takingStream) Seal(rows int64, facts any) error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.into.put(s.of.t, s.name.Name, s.name.Format, s.Bytes(), rows, facts)
	return nil
}

// sourced dumps a database by the source itself, in small parts.
func sourced(t *testing.T, s *fixtures.PostgresServer, database string, selected source.Selection) *fakeDump {
	t.Helper()
	return take(t, &source.Source{Server: parse(t, s.SocketURL(database)), Selection: selected, PartSize: 16 << 10})
}

// take keeps in memory what a source dumps.
func take(t testing.TB, from *source.Source) *fakeDump {
	t.Helper()
	d := &taking{t: t, into: &fakeDump{data: map[string][]byte{}}}
	if err := from.Dump(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return d.into
}

// facts changes the facts of the whole dump.
func (d *fakeDump) facts(t *testing.T, change func(*source.Facts)) {
	t.Helper()
	d.edit(t, source.PreData, func(i *snapshot.StreamInfo) {
		var f source.Facts
		if err := json.Unmarshal(i.Facts, &f); err != nil {
			t.Fatal(err)
		}
		change(&f)
		i.Facts, _ = json.Marshal(f)
	})
}

// part changes the facts of one stream of rows.
func (d *fakeDump) part(t *testing.T, name string, change func(*source.Part)) {
	t.Helper()
	d.edit(t, name, func(i *snapshot.StreamInfo) {
		var p source.Part
		if err := json.Unmarshal(i.Facts, &p); err != nil {
			t.Fatal(err)
		}
		change(&p)
		i.Facts, _ = json.Marshal(p)
	})
}

// copied is a dump that can be changed without changing d.
func (d *fakeDump) copied() *fakeDump {
	c := &fakeDump{infos: append([]snapshot.StreamInfo(nil), d.infos...), data: map[string][]byte{}}
	for k, v := range d.data {
		c.data[k] = v
	}
	return c
}
