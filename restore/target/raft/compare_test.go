package raft

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"holdfast/snapshot/source/raft/state"
)

func encoded(entries []state.Entry) []byte {
	var b []byte
	for _, e := range entries {
		b = append(b, appendEntry(nil, e)...)
	}
	return b
}

func drawEntries(t *rapid.T) []state.Entry {
	keys := rapid.SliceOfDistinct(rapid.OneOf(
		rapid.StringMatching(`logical/[a-d]/[a-f]{1,3}`),
		rapid.SampledFrom([]string{"core/audit", "core/lock", "core/mounts", "sys/expire/id/a", "sys/expire/id/b", "sys/policy/p", "sys/token/id/x"}),
	), func(s string) string { return s }).Draw(t, "keys")
	slices.Sort(keys)
	var list []state.Entry
	for _, key := range keys {
		list = append(list, state.Entry{Key: key, Value: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "value"), SealWrap: rapid.Bool().Draw(t, "wrap")})
	}
	return list
}

// What is made for a scratch server is what was counted for it, and all that is not withheld.
func TestAThinnedStateIsTheRestOfIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := drawEntries(t)
		thin := newThinning()
		var rest []state.Entry
		for _, e := range entries {
			must2(t, thin.add(e))
			if !withholds(e.Key) {
				rest = append(rest, e)
			}
		}
		got, err := io.ReadAll(&thinned{in: io.NopCloser(nil), from: state.NewReader(bytes.NewReader(encoded(entries)))})
		must2(t, err)
		sum := sha256.Sum256(got)
		if int64(len(got)) != thin.size || !bytes.Equal(sum[:], thin.sum.Sum(nil)) {
			t.Fatalf("%d bytes, and %d were counted", len(got), thin.size)
		}
		if !bytes.Equal(got, encoded(rest)) {
			t.Fatal("it is not the rest")
		}
		r := state.NewReader(bytes.NewReader(got))
		for _, want := range rest {
			e, err := r.Next()
			must2(t, err)
			if diff := cmp.Diff(want, e); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func must2(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// Any entry that goes, comes or changes is found, unless it is one that servers write by themselves.
func TestEveryDifferenceOfAStateIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := drawEntries(t)
		compareWith := func(other []state.Entry) (*comparison, error) {
			return compare(t.Context(), newOrdered(bytes.NewReader(encoded(entries))), newOrdered(bytes.NewReader(encoded(other))), tolerance{})
		}
		c, err := compareWith(entries)
		must2(t, err)
		if c.err() != nil || c.equal != int64(len(entries)) {
			t.Fatalf("with itself: %+v", c)
		}
		if len(entries) == 0 {
			return
		}
		i := rapid.IntRange(0, len(entries)-1).Draw(t, "which")
		other := slices.Clone(entries)
		switch e := &other[i]; rapid.IntRange(0, 3).Draw(t, "how") {
		case 0:
			other = slices.Delete(other, i, i+1)
		case 1:
			e.Value = append(bytes.Clone(e.Value), 1)
		case 2:
			e.SealWrap = !e.SealWrap
		case 3:
			e.Key += "!"
			if i+1 < len(other) && e.Key >= other[i+1].Key {
				return
			}
		}
		c, err = compareWith(other)
		must2(t, err)
		covered := tolerance{}.covers(entries[i].Key)
		if got := errors.Is(c.err(), ErrDiffers); got == covered {
			t.Fatalf("%q changed, found: %t", entries[i].Key, got)
		}
	})
}

func TestStatesThatAreNotInOrderAreNotCompared(t *testing.T) {
	a := encoded([]state.Entry{{Key: "logical/a", Value: []byte("1")}, {Key: "logical/b", Value: []byte("1")}})
	b := encoded([]state.Entry{{Key: "logical/b", Value: []byte("1")}, {Key: "logical/a", Value: []byte("1")}})
	for _, c := range [][2][]byte{{a, b}, {b, a}} {
		if _, err := compare(t.Context(), newOrdered(bytes.NewReader(c[0])), newOrdered(bytes.NewReader(c[1])), tolerance{}); !errors.Is(err, errUnordered) {
			t.Errorf("%v", err)
		}
	}
}

func TestOnlyAnotherVersionMayRewriteItsTables(t *testing.T) {
	for _, other := range []bool{true, false} {
		tol := tolerance{otherVersion: other, cubbyholes: []string{"uuid-1"}}
		if got := tol.covers("core/mounts"); got != other {
			t.Errorf("another version %t: %t", other, got)
		}
		if !tol.covers("logical/uuid-1/x") || tol.covers("logical/uuid-2/x") || tol.covers("core/audit") != other {
			t.Errorf("another version %t: wrong keys are covered", other)
		}
	}
}

// A namespace has leases, tokens and audit devices of its own, which are no less dangerous to a scratch server.
func TestWhatIsInANamespaceIsTreatedLikeTheSameInTheRoot(t *testing.T) {
	tol := tolerance{cubbyholes: []string{"uuid-1"}}
	for key, want := range map[string]bool{"sys/expire/id/a": true, "core/audit": true, "core/local-audit": true, "sys/token/id/x": false, "logical/uuid-2/x": false} {
		for _, prefix := range []string{"", "namespaces/abc/"} {
			if got := withholds(prefix + key); got != want {
				t.Errorf("%s is withheld: %t", prefix+key, got)
			}
		}
	}
	for key, want := range map[string]bool{"sys/expire/id/a": true, "sys/token/id/x": true, "logical/uuid-1/x": true, "core/mounts": false, "logical/uuid-2/x": false} {
		for _, prefix := range []string{"", "namespaces/abc/"} {
			if got := tol.covers(prefix + key); got != want {
				t.Errorf("%s need not come back: %t", prefix+key, got)
			}
		}
	}
}

func TestACanaryHashTellsEqualFromOther(t *testing.T) {
	a, b := HashCanary("value"), HashCanary("value")
	if a == b {
		t.Error("two hashes have one salt")
	}
	for _, hash := range []string{a, b} {
		must(t, CheckCanaryHash(hash))
		for value, want := range map[string]bool{"value": true, "Value": false, "": false} {
			if got, err := (Canary{Hash: hash}).matches(value); err != nil || got != want {
				t.Errorf("%q: %t, %v", value, got, err)
			}
		}
	}
	for _, hash := range []string{"", ":", "abc", a + "x", a[1:], fmt.Sprintf("%s:", a), "value"} {
		if CheckCanaryHash(hash) == nil {
			t.Errorf("%q passes for a hash", hash)
		}
	}
}
