package state_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot/source/raft/state"
)

const (
	mountA = "0a3c8f52-6d2a-44f7-9a43-7a0c6ee2f2f1"
	mountB = "5b7e1d90-11aa-4c3b-8f0e-90f1b2c3d4e5"
	inner  = "9f9f9f9f-0000-4000-8000-123456789abc"
)

func TestKeysAreOfTheirKind(t *testing.T) {
	for _, c := range []struct{ key, kind, uuid string }{
		{"core/mounts", state.KindCore, ""},
		{"core/hsm/barrier-unseal-keys", state.KindCore, ""},
		{"sys/policy/default", state.KindPolicy, ""},
		{"sys/policy-egp/guard", state.KindPolicy, ""},
		{"sys/password_policy/long", state.KindPolicy, ""},
		{"sys/token/id/h0123", state.KindToken, ""},
		{"sys/token/accessor/0123", state.KindTokenIndex, ""},
		{"sys/token/parent/01/23", state.KindTokenIndex, ""},
		{"sys/token/salt", state.KindSystem, ""},
		{"sys/expire/id/auth/approle/login/h01", state.KindLease, ""},
		{"sys/expire/token/01/23", state.KindLeaseIndex, ""},
		{"sys/counters/activity/log/entity/1/0", state.KindCounter, ""},
		{"sys/config/ui", state.KindSystem, ""},
		{"auth/" + mountA + "/role/app", state.KindAuth, mountA},
		{"audit/" + mountA + "/salt", state.KindAudit, mountA},
		{"logical/" + mountA + "/" + inner + "/metadata/abc/def", state.KindKVMetadata, mountA},
		{"logical/" + mountA + "/" + inner + "/versions/0ab/cd", state.KindKVVersion, mountA},
		{"logical/" + mountA + "/" + inner + "/policy/metadata", state.KindKVConfig, mountA},
		{"logical/" + mountA + "/" + inner + "/salt", state.KindKVConfig, mountA},
		{"logical/" + mountA + "/" + inner + "/else", state.KindEngine, mountA},
		{"logical/" + mountA + "/" + inner, state.KindEngine, mountA},
		{"logical/" + mountA + "/app/db", state.KindEngine, mountA},
		{"logical/" + mountA + "/metadata/x", state.KindEngine, mountA},
		{"logical/" + mountA, state.KindEngine, mountA},
		{"logical/" + strings.ToUpper(mountA) + "/x", state.KindOther, ""},
		{"logical/not-a-uuid/x", state.KindOther, ""},
		{"namespaces/" + inner + "/sys/policy/default", state.KindPolicy, ""},
		{"namespaces/" + inner + "/logical/" + mountA + "/x", state.KindEngine, mountA},
		{"namespaces/alone", state.KindOther, ""},
		{"marker", state.KindOther, ""},
		{"new/part", state.KindOther, ""},
	} {
		if kind, uuid := state.Classify(c.key); kind != c.kind || uuid != c.uuid {
			t.Errorf("%s is %q of %q, want %q of %q", c.key, kind, uuid, c.kind, c.uuid)
		}
	}
}

func TestACensusHasEachKindOfEachMount(t *testing.T) {
	c := count(
		"audit/"+mountB+"/salt",
		"core/lock", "core/mounts",
		"logical/"+mountA+"/"+inner+"/metadata/a", "logical/"+mountA+"/"+inner+"/metadata/b",
		"logical/"+mountA+"/"+inner+"/versions/000/1",
		"logical/"+mountB+"/app",
	)
	want := state.Census{Entries: 7, Bytes: c.Bytes, Groups: []state.Group{
		{Kind: state.KindCore, Entries: 2, Bytes: int64(len("core/lock") + len("core/mounts") + 2)},
		{Kind: state.KindKVMetadata, UUID: mountA, Entries: 2, Bytes: 2 * int64(len("logical//")+2*36+len("/metadata/a")+1)},
		{Kind: state.KindKVVersion, UUID: mountA, Entries: 1, Bytes: int64(len("logical//")+2*36+len("/versions/000/1")) + 1},
		{Kind: state.KindAudit, UUID: mountB, Entries: 1, Bytes: int64(len("audit//salt") + 36 + 1)},
		{Kind: state.KindEngine, UUID: mountB, Entries: 1, Bytes: int64(len("logical//app") + 36 + 1)},
	}}
	if d := cmp.Diff(want, c); d != "" {
		t.Fatal(d)
	}
	var sum int64
	for _, g := range c.Groups {
		sum += g.Bytes
	}
	if sum != c.Bytes {
		t.Errorf("groups have %d bytes of %d", sum, c.Bytes)
	}
}

func TestKeysOutOfOrderAreCountedAndNoError(t *testing.T) {
	for want, keys := range [][]string{
		{"core/a", "core/b", "core/c"},
		{"core/b", "core/a", "core/c"},
		{"core/a", "core/a", "core/a"},
	} {
		if got := count(keys...).Unordered; got != int64(want) {
			t.Errorf("%v: %d are out of order, want %d", keys, got, want)
		}
	}
}

func TestACensusOfTenThousandMountsIsSmallAndCountsAll(t *testing.T) {
	for _, shuffled := range []bool{false, true} {
		var c state.Counter
		mounts := make([]string, 10_000)
		for i := range mounts {
			mounts[i] = uuid(i)
		}
		if shuffled {
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(mounts), func(i, j int) { mounts[i], mounts[j] = mounts[j], mounts[i] })
		}
		for _, m := range mounts {
			for _, part := range []string{"metadata/a", "metadata/b", "salt", "versions/000/1"} {
				c.Add(state.Entry{Key: "logical/" + m + "/" + inner + "/" + part, Value: make([]byte, 1000)})
			}
			c.Add(state.Entry{Key: "auth/" + m + "/role/app"})
		}
		census := c.Census()
		b, err := json.Marshal(census)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 700_000 {
			t.Errorf("a census of %d bytes", len(b))
		}
		counted := map[string]int64{}
		for _, g := range census.Groups {
			counted[g.Kind] += g.Entries
			if g.UUID != "" && g.UUID >= census.FoldedFrom {
				t.Fatalf("%s has a group and is from %s on", g.UUID, census.FoldedFrom)
			}
		}
		want := map[string]int64{state.KindKVMetadata: 20_000, state.KindKVVersion: 10_000, state.KindKVConfig: 10_000, state.KindAuth: 10_000}
		if d := cmp.Diff(want, counted); d != "" {
			t.Error(d)
		}
		if census.FoldedFrom < uuid(900) || census.FoldedFrom > uuid(1000) {
			t.Errorf("folded from %s, about a thousand mounts should stand alone", census.FoldedFrom)
		}
	}
}

func TestAFoldedMountThatVanishesIsNoOtherMountsLoss(t *testing.T) {
	fill := func(mounts int) state.Census {
		var c state.Counter
		for i := range mounts {
			c.Add(state.Entry{Key: "logical/" + uuid(i) + "/a"})
		}
		return c.Census()
	}
	some, most, every := fill(3000), fill(8000), fill(9000)
	if some.FoldedFrom != "" || most.FoldedFrom == "" || every.FoldedFrom == "" {
		t.Fatalf("folded from %q, %q and %q", some.FoldedFrom, most.FoldedFrom, every.FoldedFrom)
	}
	alone := int64(groupsAlone(every))
	want := []state.Change{{Kind: state.KindEngine, Before: 9000 - alone, After: 8000 - alone}}
	if d := cmp.Diff(want, most.Compare(every)); d != "" {
		t.Error(d)
	}
	unfolded := fill(4000) // with groups of mounts that are folded in the other
	want = []state.Change{{Kind: state.KindEngine, Before: 9000 - alone, After: 4000 - alone}}
	if d := cmp.Diff(want, unfolded.Compare(every)); d != "" || unfolded.FoldedFrom != "" {
		t.Error(d)
	}
	changes := some.Compare(every)
	if len(changes) != int(alone-3000)+1 || changes[0] != (state.Change{Kind: state.KindEngine, Before: 9000 - alone}) {
		t.Errorf("%d changes, the first %+v", len(changes), changes[0])
	}
	for _, c := range changes {
		if !c.Vanished() {
			t.Errorf("%+v did not vanish", c)
		}
	}
	if changes := every.Compare(every); changes != nil {
		t.Errorf("nothing changed, and %d did", len(changes))
	}
}

func TestACompareTellsWhatVanishedAndShrank(t *testing.T) {
	kv := func(mount string, n int) (keys []string) {
		for i := range n {
			keys = append(keys, fmt.Sprintf("logical/%s/%s/metadata/%05d", mount, inner, i))
		}
		return keys
	}
	earlier := count(append(append(kv(mountA, 100), kv(mountB, 40)...), "core/mounts", "sys/policy/a", "sys/policy/b")...)
	now := count(append(kv(mountA, 49), "core/mounts", "core/lock", "sys/policy/a")...)
	want := []state.Change{
		{Kind: state.KindCore, Before: 1, After: 2},
		{Kind: state.KindPolicy, Before: 2, After: 1},
		{Kind: state.KindKVMetadata, UUID: mountA, Before: 100, After: 49},
		{Kind: state.KindKVMetadata, UUID: mountB, Before: 40, After: 0},
	}
	got := now.Compare(earlier)
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	for i, c := range []struct{ vanished, halved bool }{{false, false}, {false, false}, {false, true}, {true, true}} {
		if got[i].Vanished() != c.vanished || got[i].Halved() != c.halved {
			t.Errorf("%+v: vanished %v, halved %v", got[i], got[i].Vanished(), got[i].Halved())
		}
	}
}

func groupsAlone(c state.Census) (n int) {
	for _, g := range c.Groups {
		if g.UUID != "" {
			n++
		}
	}
	return n
}

func count(keys ...string) state.Census {
	var c state.Counter
	for _, key := range keys {
		c.Add(state.Entry{Key: key, Value: []byte("v")})
	}
	return c.Census()
}

func uuid(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", i) }
