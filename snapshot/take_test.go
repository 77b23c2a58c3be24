package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/fixtures/faulty"
	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

func TestWhatWentInComesOut(t *testing.T) {
	r := testrepo.Dir(t)
	src := testrepo.Source{"a.db": testrepo.Secrets(3<<20, 1), "b/c.txt": []byte("short"), "empty": nil}
	s := r.Open(t, r.Take(t, "vault", src))
	for name, want := range src {
		rd, err := s.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rd)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes instead of %d, %v", name, len(got), len(want), err)
		}
		rd.Close()
	}
}

func TestAPartIsReadWithoutTheRest(t *testing.T) {
	r := testrepo.Dir(t)
	data := testrepo.Secrets(4<<20, 1)
	m := r.Take(t, "vault", testrepo.Source{"db": data})
	counted := store.Counted(r.Store)
	r.Store = counted
	s := r.Open(t, m)
	before := counted.Counts()
	rd, err := s.OpenRange(t.Context(), "db", 1_000_000, 50_000)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(rd)
	if err != nil || !bytes.Equal(got, data[1_000_000:1_050_000]) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if read := counted.Counts().Received - before.Received; read > 700_000 {
		t.Errorf("read %d stored bytes for 50000", read)
	}
}

func TestNothingChangedStoresNoPack(t *testing.T) {
	r := testrepo.Dir(t)
	src := testrepo.Source{"db": testrepo.Secrets(2<<20, 1)}
	r.Take(t, "vault", src)
	m := r.Take(t, "vault", src)
	if m.Totals.NewPacks != 0 || m.Totals.NewChunks != 0 {
		t.Errorf("%d new packs, %d new chunks", m.Totals.NewPacks, m.Totals.NewChunks)
	}
	if m.Previous == "" {
		t.Error("the manifest does not name the snapshot before it")
	}
}

// Beside the change itself only the chunk that was the last one is stored again, which is as long as
// the host's random key has it: up to 256 KiB. So the change is large enough for that not to decide.
func TestAppendStoresAboutTheChange(t *testing.T) {
	r := testrepo.Dir(t)
	data := testrepo.Secrets(32<<20, 1)
	first := r.Take(t, "vault", testrepo.Source{"db": data})
	more := append(slices.Clip(data), testrepo.Secrets(2<<20, 2)...)
	m := r.Take(t, "vault", testrepo.Source{"db": more})
	share := float64(first.Totals.StoredBytes) / float64(first.Totals.PlainBytes)
	change := float64(len(more)-len(data)) * share
	if got := float64(m.Totals.NewBytes) / change; got > 1.3 {
		t.Errorf("stored %.2f times the change (%d bytes for %.0f)", got, m.Totals.NewBytes, change)
	}
}

func TestAHostThatTakesSnapshotsCannotReadThem(t *testing.T) {
	r := testrepo.Dir(t)
	m := r.Take(t, "vault", testrepo.Source{"db": []byte("a secret")})
	e, err := snapshot.ReadEpoch(t.Context(), r.Store, r.Repository.ID, "vault", m.Epoch, r.Trust)
	if err != nil {
		t.Fatal(err)
	}
	other := testrepo.Dir(t)
	if _, err := e.Unlock(other.Identity); err == nil {
		t.Error("another identity opened the epoch")
	}
	if strings.Contains(r.Host.Text(), e.Recipient) {
		t.Error("the host key names the epoch's recipient")
	}
}

func TestNewRecipientsGetANewEpoch(t *testing.T) {
	r := testrepo.Dir(t)
	src := testrepo.Source{"db": testrepo.Secrets(1<<20, 1)}
	first := r.Take(t, "vault", src)
	old := r.Identity
	r.NewRecipient(t)
	second := r.Take(t, "vault", src)
	if first.Epoch == second.Epoch {
		t.Fatal("the old epoch went on")
	}
	r.Open(t, second)
	r.Identity = old
	r.Open(t, first)
}

// failing is a source that fails after some bytes, or forgets to seal.
type failing struct {
	after int
	err   error
}

func (f failing) Dump(ctx context.Context, d snapshot.Dump) error {
	w, err := d.Stream(ctx, snapshot.Stream{Name: "db"})
	if err != nil {
		return err
	}
	if _, err := w.Write(testrepo.Secrets(f.after, 9)); err != nil {
		return err
	}
	return f.err
}

func TestAFailedDumpIsNoSnapshot(t *testing.T) {
	boom := errors.New("connection lost")
	for name, src := range map[string]snapshot.Source{
		"error":    failing{3 << 20, boom},
		"unsealed": failing{3 << 20, nil},
		"empty":    testrepo.Source{"db": nil},
		"nothing":  testrepo.Source{},
	} {
		t.Run(name, func(t *testing.T) {
			r := testrepo.Dir(t)
			_, err := r.Taker("vault", nil).Take(t.Context(), src)
			if err == nil {
				t.Fatal("it succeeded")
			}
			if name == "error" && !errors.Is(err, boom) {
				t.Errorf("the cause is lost: %v", err)
			}
			list, err := r.Catalog().List(t.Context(), "vault")
			if err != nil || len(list) != 0 {
				t.Errorf("listed: %v, %v", list, err)
			}
		})
	}
}

func TestAFailedRunsPacksAreUsedByTheNext(t *testing.T) {
	r := testrepo.Dir(t)
	data := testrepo.Secrets(24<<20, 9)
	if _, err := r.Taker("vault", nil).Take(t.Context(), failing{len(data), errors.New("late failure")}); err == nil {
		t.Fatal("it succeeded")
	}
	m := r.Take(t, "vault", testrepo.Source{"db": data})
	if m.Totals.NewBytes > m.Totals.StoredBytes/2 {
		t.Errorf("%d of %d bytes were stored again", m.Totals.NewBytes, m.Totals.StoredBytes)
	}
}

// TestEveryStepCanFail lets each call to the store fail in turn, as not done and as done with
// its answer lost. Whatever happens, a listed snapshot is whole and the next run works.
func TestEveryStepCanFail(t *testing.T) {
	first, second := testrepo.Source{"db": testrepo.Secrets(1<<20, 1)}, testrepo.Source{"db": testrepo.Secrets(1<<20, 2)}
	for _, verb := range []faulty.Verb{faulty.Put, faulty.Get, faulty.List, faulty.Load, faulty.Swap} {
		for _, stored := range []bool{false, true} {
			if stored && verb != faulty.Put && verb != faulty.Swap {
				continue
			}
			for n := 1; ; n++ {
				if !failOnce(t, first, second, faulty.Fault{Verb: verb, Nth: n, Stored: stored}) {
					t.Logf("%s (stored: %v): %d steps", verb, stored, n-1)
					break
				}
			}
		}
	}
}

// failOnce takes a snapshot with one fault, and reports whether the fault was met.
func failOnce(t *testing.T, first, second testrepo.Source, f faulty.Fault) bool {
	t.Helper()
	name := fmt.Sprintf("%s %d (stored: %v)", f.Verb, f.Nth, f.Stored)
	r := testrepo.Dir(t)
	r.Take(t, "vault", first)
	bad := faulty.New(r.Store, f)
	taker := r.Taker("vault", bad)
	taker.LeaseTTL = 2 * time.Second // after which the next run goes on, if it is not given back
	m, err := taker.Take(t.Context(), second)
	if bad.Fired() == 0 {
		return false
	}
	list, lerr := r.Catalog().List(t.Context(), "vault")
	if lerr != nil {
		t.Fatalf("%s: %v", name, lerr)
	}
	want := 1
	if err == nil {
		want = 2
	}
	if len(list) != want {
		t.Errorf("%s: %d snapshots are listed, %d were reported; %v", name, len(list), want, err)
	}
	for _, e := range list {
		if e.Err != nil {
			t.Errorf("%s: %v", name, e.Err)
			continue
		}
		readAll(t, r, e.Manifest)
	}
	// The lease may not have been released; the next run waits for it.
	next := r.Taker("vault", nil)
	next.Wait = 10 * time.Second
	if _, err := next.Take(t.Context(), second); err != nil {
		t.Errorf("%s: the next run: %v (after %v, %v)", name, err, m, err)
	}
	return true
}

func readAll(t *testing.T, r *testrepo.Repo, m *snapshot.Manifest) {
	t.Helper()
	s := r.Open(t, m)
	for _, st := range s.Streams() {
		rd, err := s.Open(t.Context(), st.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, rd); err != nil {
			t.Errorf("reading %s: %v", m.ID, err)
		}
		rd.Close()
	}
}

func TestMissingAndDamagedPacksAreStoredAgain(t *testing.T) {
	r := testrepo.Dir(t)
	src := testrepo.Source{"db": testrepo.Secrets(2<<20, 1)}
	m := r.Take(t, "vault", src)
	var packs []string
	for _, k := range r.Keys(t) {
		if strings.HasPrefix(k, snapshot.PacksPrefix("vault")) {
			packs = append(packs, k)
		}
	}
	if err := r.Store.Delete(t.Context(), packs[0]); err != nil {
		t.Fatal(err)
	}
	finding := &snapshot.Finding{Repository: r.Repository.ID, Vault: "vault", ID: m.ID, Level: snapshot.LevelChecksum,
		Finished: time.Now(), Damage: []snapshot.Complaint{{Key: packs[1], Problem: "flipped"}}}
	if err := snapshot.WriteFinding(t.Context(), r.Store, finding, r.Host.Signer, snapshot.Lock{}); err != nil {
		t.Fatal(err)
	}
	healed := r.Take(t, "vault", src)
	if healed.Totals.NewPacks == 0 {
		t.Fatal("nothing was stored again")
	}
	for _, p := range r.Open(t, healed).Contents.Table() {
		if key := snapshot.PackKey("vault", p.Sum); key == packs[0] || key == packs[1] {
			t.Errorf("%s is used although it is missing or damaged", key)
		}
	}
	readAll(t, r, healed)
}

func TestMostlyDeadPacksAreLeft(t *testing.T) {
	r := testrepo.Dir(t)
	keep, drop := testrepo.Secrets(300<<10, 1), testrepo.Secrets(3<<20, 2)
	interleaved := testrepo.Source{"db": slices.Concat(drop[:1<<20], keep[:150<<10], drop[1<<20:2<<20], keep[150<<10:], drop[2<<20:])}
	r.Take(t, "vault", interleaved)
	small := testrepo.Source{"db": keep}
	r.Take(t, "vault", small)          // its account says that the packs are mostly dead
	third := r.Take(t, "vault", small) // stores what is live of them afresh
	fourth := r.Take(t, "vault", small)
	if third.Totals.StoredBytes > 600<<10 {
		t.Errorf("the packs in use still have %d bytes for %d", third.Totals.StoredBytes, len(keep))
	}
	if fourth.Totals.NewPacks != 0 {
		t.Errorf("compaction does not come to rest: %d new packs", fourth.Totals.NewPacks)
	}
	readAll(t, r, fourth)
}
