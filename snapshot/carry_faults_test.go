package snapshot_test

import (
	"strings"
	"testing"

	"holdfast/fixtures/faulty"
	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
)

// TestTheSnapshotBeforeMayBeUnreadable lets reading it fail in turn. That costs no snapshot.
func TestTheSnapshotBeforeMayBeUnreadable(t *testing.T) {
	r := testrepo.Dir(t)
	src := &testrepo.Carrying{Source: parts(3)}
	m := r.Take(t, "vault", src)
	bad := faulty.New(r.Store, faulty.Fault{Verb: faulty.Get, Prefix: snapshot.ContentsKey("vault", m.ID)})
	next, err := r.Taker("vault", bad).Take(t.Context(), src)
	if err != nil || bad.Fired() == 0 {
		t.Fatalf("%d faults, %v", bad.Fired(), err)
	}
	if len(src.Offered) != 0 {
		t.Errorf("offered: %q", src.Offered)
	}
	same(t, r, next, src.Source)
	r.Take(t, "vault", src)
	if len(src.Carried) != len(src.Source) {
		t.Errorf("the run after that carried %q", src.Carried)
	}
}

// TestEveryReadOfARunThatCarriesCanFail lets each read fail in turn. What is listed is whole.
func TestEveryReadOfARunThatCarriesCanFail(t *testing.T) {
	for _, verb := range []faulty.Verb{faulty.Get, faulty.List} {
		for n := 1; ; n++ {
			r := testrepo.Dir(t)
			src := &testrepo.Carrying{Source: parts(2)}
			r.Take(t, "vault", src)
			bad := faulty.New(r.Store, faulty.Fault{Verb: verb, Nth: n})
			m, err := r.Taker("vault", bad).Take(t.Context(), src)
			if bad.Fired() == 0 {
				break
			}
			if err == nil {
				same(t, r, m, src.Source)
			} else if !strings.Contains(err.Error(), "injected") {
				t.Errorf("%s %d: %v", verb, n, err)
			}
		}
	}
}
