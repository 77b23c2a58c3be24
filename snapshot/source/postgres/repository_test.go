package postgres_test

import (
	"bytes"
	"io"
	"strconv"
	"testing"

	"holdfast/fixtures/everything"
	"holdfast/fixtures/testrepo"
	"holdfast/fixtures/vaulta"
	"holdfast/snapshot/source/postgres"
)

// Through a real repository: what was carried over is there, and is what a full read yields.
func TestSnapshotsThatCarryRowsOverAreWhole(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	url := s.SocketURL(db)
	if err := vaulta.Generate(t.Context(), url, vaulta.Options{Secrets: 500, Audit: 40000, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	repo := testrepo.Dir(t)
	src := source(t, url)
	src.PartSize = 512 << 10
	first := repo.Take(t, "payments", src)
	if err := vaulta.Append(t.Context(), url, 1); err != nil {
		t.Fatal(err)
	}
	if err := vaulta.Touch(t.Context(), url, 5); err != nil {
		t.Fatal(err)
	}
	m := repo.Take(t, "payments", src)
	if n, err := strconv.Atoi(m.Server.Facts["parts_carried"]); err != nil || n == 0 {
		t.Errorf("%v parts were carried over: %v", m.Server.Facts["parts_carried"], err)
	}
	if m.Totals.NewBytes > first.Totals.NewBytes/3 {
		t.Errorf("%d new bytes after %d", m.Totals.NewBytes, first.Totals.NewBytes)
	}
	want := take(t, src, nil)
	stored := repo.Open(t, m)
	if got := len(stored.Streams()); got != len(want.streams) {
		t.Fatalf("%d streams, a full read has %d", got, len(want.streams))
	}
	for _, info := range stored.Streams() {
		r, err := stored.Open(t.Context(), info.Name)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		w := want.find(info.Name)
		if w == nil || !bytes.Equal(body, w.body.Bytes()) || info.Rows != w.Rows {
			t.Errorf("%s is not what a full read yields", info.Name)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A schema that has all of PostgreSQL comes out, whole and by tables, and again.
func TestEverythingThereIsComesOut(t *testing.T) {
	s := server.Get(t)
	db := s.Create(t, "")
	if err := s.Exec("postgres", everything.Roles); err != nil {
		t.Fatal(err)
	}
	if err := everything.Load(t.Context(), s.SocketURL(db)); err != nil {
		t.Fatal(err)
	}
	src := source(t, s.SocketURL(db))
	src.PartSize = 64 << 10
	before := take(t, src, nil)
	both(t, src, before)
	var tables, rows int
	for _, st := range before.streams {
		if st.Format == postgres.FormatCopy {
			tables++
			rows += int(st.Rows)
		}
	}
	if tables < 30 || rows < 50 {
		t.Errorf("%d tables with %d rows", tables, rows)
	}
}
