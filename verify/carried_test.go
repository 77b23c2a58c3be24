package verify_test

import (
	"testing"

	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
)

// TestASnapshotOfCarriedStreamsIsGood verifies one that was not read from its source at all, after the one
// that was is gone; and then that damage to what it carries is found in it.
func TestASnapshotOfCarriedStreamsIsGood(t *testing.T) {
	r := testrepo.Dir(t)
	src := &testrepo.Carrying{Source: testrepo.Source{"db": testrepo.Secrets(700<<10, 1), "notes": []byte("few")}}
	first := r.Take(t, "vault", src)
	m := r.Take(t, "vault", src)
	if len(src.Carried) != 2 {
		t.Fatalf("carried %q", src.Carried)
	}
	for _, key := range []string{snapshot.ManifestKey("vault", first.ID), snapshot.PackListKey("vault", first.ID), snapshot.ContentsKey("vault", first.ID)} {
		if err := r.Store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	res := verifyVault(t, r, snapshot.LevelContent, true)
	if len(res.Findings) != 1 || res.Findings[0].ID != m.ID || res.Findings[0].Rows != m.Totals.Rows {
		t.Errorf("findings: %+v", res.Findings)
	}
	pack := snapshot.PackKey("vault", r.Open(t, m).Contents.Table()[0].Sum)
	body := read(t, r)[pack]
	body[len(body)/2] ^= 1
	if err := r.Store.Delete(t.Context(), pack); err != nil {
		t.Fatal(err)
	}
	if err := r.Store.Put(t.Context(), pack, body, snapshot.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if found := complaints(t, r, snapshot.LevelContent); !found[pack] {
		t.Errorf("damage that was found: %v", found)
	}
}
