package snapshot_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
	"holdfast/snapshot/pack"
)

// TestStreamsAreRememberedWhateverBecameOfThem loses every pack: nothing can be carried over, and what
// was said of the streams is known all the same.
func TestStreamsAreRememberedWhateverBecameOfThem(t *testing.T) {
	r := testrepo.Dir(t)
	src := parts(12)
	first := r.Take(t, "vault", src)
	want := r.Open(t, first).Streams()
	for _, p := range r.Open(t, first).Contents.Packs {
		if err := r.Store.Delete(t.Context(), snapshot.PackKey("vault", pack.Sum(p.SHA256))); err != nil {
			t.Fatal(err)
		}
	}
	var offered, before []snapshot.StreamInfo
	_, err := r.Taker("vault", nil).Take(t.Context(), sourceFunc(func(ctx context.Context, d snapshot.Dump) (err error) {
		if offered, err = d.(snapshot.Carrier).Earlier(ctx); err != nil {
			return err
		}
		if before, err = d.(snapshot.Rememberer).Before(ctx); err != nil {
			return err
		}
		return src.Dump(ctx, d)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, before); diff != "" || len(offered) >= len(want) {
		t.Errorf("%d streams are offered; remembered: %s", len(offered), diff)
	}
}
