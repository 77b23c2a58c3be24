package postgres_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"holdfast/fixtures"
	"holdfast/restore"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/postgres"
)

// A fakeDump holds a dump in memory, so that a test can damage it.
type fakeDump struct {
	infos []snapshot.StreamInfo
	data  map[string][]byte
	wrap  func(name string, r io.Reader) io.Reader // nil: as it is

	mu     sync.Mutex
	opened []string
}

func (d *fakeDump) Streams() []snapshot.StreamInfo { return d.infos }

func (d *fakeDump) Open(_ context.Context, name string) (io.ReadCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened = append(d.opened, name)
	if _, ok := d.data[name]; !ok {
		return nil, fmt.Errorf("no stream %q", name)
	}
	var r io.Reader = bytes.NewReader(d.data[name])
	if d.wrap != nil {
		r = d.wrap(name, r)
	}
	return io.NopCloser(r), nil
}

func (d *fakeDump) OpenRange(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, errors.New("no load needs a range")
}

func (d *fakeDump) put(t testing.TB, name, format string, data []byte, rows int64, facts any) {
	t.Helper()
	raw, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	d.infos = append(d.infos, snapshot.StreamInfo{Name: name, Format: format, Bytes: int64(len(data)), Rows: rows, SHA256: sha256.Sum256(data), Facts: raw})
	d.data[name] = data
}

func (d *fakeDump) streams(format string) []string {
	var names []string
	for _, i := range d.infos {
		if i.Format == format {
			names = append(names, i.Name)
		}
	}
	return names
}

// takeDump dumps a whole database by the source.
func takeDump(t *testing.T, s *fixtures.PostgresServer, database string) *fakeDump {
	t.Helper()
	return sourced(t, s, database, source.Selection{})
}

var _ restore.Dump = (*fakeDump)(nil)

// edit changes the facts of one stream.
func (d *fakeDump) edit(t *testing.T, name string, change func(*snapshot.StreamInfo)) {
	t.Helper()
	i := slices.IndexFunc(d.infos, func(s snapshot.StreamInfo) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no stream %q", name)
	}
	change(&d.infos[i])
}
