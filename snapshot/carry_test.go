package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
	"holdfast/snapshot/pack"
)

// parts is a source of n streams of 200 kB, which share packs.
func parts(n int) testrepo.Source {
	src := testrepo.Source{"empty": nil}
	for i := range n {
		src[fmt.Sprintf("part/%02d", i)] = testrepo.Secrets(200<<10, uint64(i))
	}
	return src
}

// same reads a whole snapshot and compares it with what was dumped.
func same(t *testing.T, r *testrepo.Repo, m *snapshot.Manifest, src testrepo.Source) {
	t.Helper()
	s := r.Open(t, m)
	var names []string
	for _, info := range s.Streams() {
		names = append(names, info.Name)
		rd, err := s.Open(t.Context(), info.Name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rd)
		if err != nil || !bytes.Equal(got, src[info.Name]) {
			t.Errorf("%s: %d bytes instead of %d, %v", info.Name, len(got), len(src[info.Name]), err)
		}
		rd.Close()
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(src)), slices.Sorted(slices.Values(names))); diff != "" {
		t.Error(diff)
	}
}

// deleteSnapshot deletes what belongs to snapshot m alone: its manifest and lists.
func deleteSnapshot(t *testing.T, r *testrepo.Repo, m *snapshot.Manifest) {
	t.Helper()
	for _, key := range []string{snapshot.ManifestKey("vault", m.ID), snapshot.PackListKey("vault", m.ID), snapshot.ContentsKey("vault", m.ID)} {
		if err := r.Store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCarriedStreamsOutliveTheSnapshotTheyCameFrom(t *testing.T) {
	r := testrepo.Dir(t)
	src := &testrepo.Carrying{Source: parts(8)}
	first := r.Take(t, "vault", src)
	if len(src.Offered) != 0 {
		t.Errorf("before the first snapshot there was %q", src.Offered)
	}
	before := r.Open(t, first).Streams()
	var last *snapshot.Manifest
	for range 2 { // what was carried can be carried again
		m := r.Take(t, "vault", src)
		if len(src.Carried) != len(src.Source) {
			t.Fatalf("carried %q of %d streams", src.Carried, len(src.Source))
		}
		want := first.Totals
		want.NewChunks, want.NewPacks, want.NewBytes, want.StoredBytes = 0, 0, m.Totals.NewBytes, m.Totals.StoredBytes
		if diff := cmp.Diff(want, m.Totals); diff != "" {
			t.Errorf("totals differ: %s", diff)
		}
		last = m
		deleteSnapshot(t, r, first)
		first = m
	}
	same(t, r, last, src.Source)
	if diff := cmp.Diff(before, r.Open(t, last).Streams()); diff != "" {
		t.Errorf("streams are described otherwise: %s", diff)
	}
}

func TestFactsAndProgressOfCarriedStreams(t *testing.T) {
	r := testrepo.Dir(t)
	write := sourceFunc(func(ctx context.Context, d snapshot.Dump) error {
		w, err := d.Stream(ctx, snapshot.Stream{Name: "db", Format: "jsonl"})
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte("one row\n")); err != nil {
			return err
		}
		return w.Seal(1, map[string]string{"table": "secrets"})
	})
	want := r.Open(t, r.Take(t, "vault", write)).Streams()
	var steps []snapshot.Step
	taker := r.Taker("vault", nil)
	taker.Progress = func(s snapshot.Step) { steps = append(steps, s) }
	m, err := taker.Take(t.Context(), sourceFunc(func(ctx context.Context, d snapshot.Dump) error {
		return d.(snapshot.Carrier).Carry(ctx, "db") // without asking what there is
	}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r.Open(t, m).Streams()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]snapshot.Step{{Name: "db", Total: 8, Bytes: 8, Done: true}}, steps); diff != "" {
		t.Error(diff)
	}
	if m.Totals.Rows != 1 || m.Totals.PlainBytes != 8 || m.Totals.Chunks != 1 {
		t.Errorf("%+v", m.Totals)
	}
}

// TestStreamsInAPackThatIsGoneAreNotOffered loses one pack in each way there is, and expects that
// the streams in it are read again and all others carried over.
func TestStreamsInAPackThatIsGoneAreNotOffered(t *testing.T) {
	drop := func(t *testing.T, r *testrepo.Repo, key string) {
		t.Helper()
		if err := r.Store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	lose := map[string]func(t *testing.T, r *testrepo.Repo, m *snapshot.Manifest, key string){
		"missing": func(t *testing.T, r *testrepo.Repo, _ *snapshot.Manifest, key string) { drop(t, r, key) },
		"cut short": func(t *testing.T, r *testrepo.Repo, _ *snapshot.Manifest, key string) {
			drop(t, r, key)
			if err := r.Store.Put(t.Context(), key, []byte("age-encryption.org/v1\n"), snapshot.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"found damaged": func(t *testing.T, r *testrepo.Repo, m *snapshot.Manifest, key string) {
			f := &snapshot.Finding{Repository: r.Repository.ID, Vault: "vault", ID: m.ID, Level: snapshot.LevelChecksum,
				Finished: time.Now(), Damage: []snapshot.Complaint{{Key: key, Problem: "flipped"}}}
			if err := snapshot.WriteFinding(t.Context(), r.Store, f, r.Host.Signer, snapshot.Lock{}); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, lose := range lose {
		t.Run(name, func(t *testing.T) {
			r := testrepo.Dir(t)
			src := &testrepo.Carrying{Source: parts(12)}
			m := r.Take(t, "vault", src)
			contents := r.Open(t, m).Contents
			gone := contents.Packs[0]
			var want []string
			for _, st := range contents.Streams {
				if !slices.ContainsFunc(st.Refs(), func(c pack.Ref) bool { return c.Pack == 0 }) {
					want = append(want, st.Name)
				}
			}
			if len(want) < 2 || len(want) == len(contents.Streams) {
				t.Fatalf("%d of %d streams are elsewhere, which tests nothing", len(want), len(contents.Streams))
			}
			key := snapshot.PackKey("vault", pack.Sum(gone.SHA256))
			lose(t, r, m, key)
			healed := r.Take(t, "vault", src)
			if diff := cmp.Diff(want, src.Offered); diff != "" {
				t.Errorf("offered: %s", diff)
			}
			if healed.Totals.NewPacks == 0 {
				t.Error("nothing was stored again")
			}
			for _, p := range r.Open(t, healed).Contents.Packs {
				if p.SHA256 == gone.SHA256 {
					t.Error("the pack is used again")
				}
			}
			same(t, r, healed, src.Source)
		})
	}
}

// TestStreamsInMostlyDeadPacksAreStoredAfresh carries one stream of twelve, whose packs are mostly
// dead from then on. The account has to see it although it was not written, the next run must
// not offer it, and then compaction has to come to rest.
func TestStreamsInMostlyDeadPacksAreStoredAfresh(t *testing.T) {
	r := testrepo.Dir(t)
	src := &testrepo.Carrying{Source: parts(12)}
	r.Take(t, "vault", src)
	src.Source = testrepo.Source{"empty": nil, "part/00": src.Source["part/00"]}
	second := r.Take(t, "vault", src)
	if second.Totals.NewPacks != 0 {
		t.Fatalf("%d new packs before anything was known to be dead", second.Totals.NewPacks)
	}
	third := r.Take(t, "vault", src)
	if !slices.Equal(src.Offered, []string{"empty"}) {
		t.Errorf("offered %q", src.Offered)
	}
	dead := r.Open(t, second).Contents.Packs
	for _, p := range r.Open(t, third).Contents.Packs {
		if slices.Contains(dead, p) {
			t.Errorf("pack %s is still in use", p.SHA256)
		}
	}
	for range 3 {
		m := r.Take(t, "vault", src)
		if len(src.Carried) != 2 || m.Totals.NewPacks != 0 {
			t.Errorf("carried %q, %d new packs: compaction does not come to rest", src.Carried, m.Totals.NewPacks)
		}
		same(t, r, m, src.Source)
	}
}

func TestCarriedAndWrittenStreamsMix(t *testing.T) {
	r := testrepo.Dir(t)
	src := &testrepo.Carrying{Source: parts(16)}
	r.Take(t, "vault", src)
	now := maps.Clone(src.Source)
	for i := range 8 {
		now[fmt.Sprintf("part/%02d", i)] = testrepo.Secrets(300<<10, uint64(100+i))
	}
	m := r.Take(t, "vault", sourceFunc(func(ctx context.Context, d snapshot.Dump) error {
		var wg sync.WaitGroup
		errs := make([]error, len(now))
		for i, name := range slices.Sorted(maps.Keys(now)) {
			wg.Go(func() {
				if bytes.Equal(now[name], src.Source[name]) {
					errs[i] = d.(snapshot.Carrier).Carry(ctx, name)
					return
				}
				errs[i] = testrepo.Source{name: now[name]}.Dump(ctx, d)
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	}))
	same(t, r, m, now)
}

func TestANameIsInADumpOnce(t *testing.T) {
	r := testrepo.Dir(t)
	src := testrepo.Source{"a": testrepo.Secrets(100<<10, 1), "b": testrepo.Secrets(100<<10, 2)}
	r.Take(t, "vault", src)
	tests := map[string]struct {
		dump func(ctx context.Context, d snapshot.Carrier) error
		want error
	}{
		"carried twice": {func(ctx context.Context, d snapshot.Carrier) error {
			if err := d.Carry(ctx, "a"); err != nil {
				return err
			}
			return d.Carry(ctx, "a")
		}, fs.ErrExist},
		"carried, then written": {func(ctx context.Context, d snapshot.Carrier) error {
			if err := d.Carry(ctx, "a"); err != nil {
				return err
			}
			_, err := d.Stream(ctx, snapshot.Stream{Name: "a"})
			return err
		}, fs.ErrExist},
		"written, then carried": {func(ctx context.Context, d snapshot.Carrier) error {
			if err := (testrepo.Source{"a": src["a"]}).Dump(ctx, d); err != nil {
				return err
			}
			return d.Carry(ctx, "a")
		}, fs.ErrExist},
		"unknown": {func(ctx context.Context, d snapshot.Carrier) error { return d.Carry(ctx, "c") }, fs.ErrNotExist},
		"cancelled": {func(ctx context.Context, d snapshot.Carrier) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := d.Earlier(ctx); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("earlier: %w", err)
			}
			return d.Carry(ctx, "a")
		}, context.Canceled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := r.Taker("vault", nil).Take(t.Context(), sourceFunc(func(ctx context.Context, d snapshot.Dump) error {
				err := tt.dump(ctx, d.(snapshot.Carrier))
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				return err
			}))
			if err == nil {
				t.Error("a snapshot was made of it")
			}
		})
	}
	if list, err := r.Catalog().List(t.Context(), "vault"); err != nil || len(list) != 1 {
		t.Errorf("listed: %v, %v", list, err)
	}
}
