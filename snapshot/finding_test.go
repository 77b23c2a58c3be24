package snapshot_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
)

// TestStoredFindingNamesNoStream has damage that only who opens the snapshot can see: its words stay with them.
func TestStoredFindingNamesNoStream(t *testing.T) {
	r := testrepo.Dir(t)
	m := r.Take(t, "vault", testrepo.Source{"db": testrepo.Secrets(1000, 1)})
	pack := snapshot.PackKey("vault", r.Open(t, m).Contents.Table()[0].Sum)
	told := []snapshot.Complaint{{Key: pack, Problem: "missing"}, {Key: "secrets/payroll.jsonl", Problem: `the line of "chief/salary" is cut`}}
	f := &snapshot.Finding{Repository: r.Repository.ID, Vault: "vault", ID: m.ID, Level: snapshot.LevelContent, Finished: time.Now(),
		Damage: append([]snapshot.Complaint(nil), told...)}
	if err := snapshot.WriteFinding(t.Context(), r.Store, f, r.Host.Signer, snapshot.Lock{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(told, f.Damage); diff != "" {
		t.Errorf("who verifies is told less (-want +got):\n%s", diff)
	}
	list, err := snapshot.ReadFindings(t.Context(), r.Store, r.Repository.ID, "vault", m.ID, r.Trust)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	want := []snapshot.Complaint{told[0], {Key: snapshot.ContentsKey("vault", m.ID), Problem: "a stream in it makes no sense; `holdfast verify --level content` tells which"}}
	if diff := cmp.Diff(want, list[0].Damage); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stored, err := r.Store.Get(t.Context(), f.Key(), snapshot.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	b, err := io.ReadAll(stored)
	if err != nil || bytes.Contains(b, []byte("payroll")) || bytes.Contains(b, []byte("salary")) {
		t.Errorf("%s, %v", b, err)
	}
}
