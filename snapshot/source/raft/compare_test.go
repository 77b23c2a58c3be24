package raft

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/state"
)

const uuid = "0b6f0f4c-1d2e-4f3a-8b5c-6d7e8f9a0b1c"

func TestLossesSinceTheSnapshotBeforeAreWarnedOf(t *testing.T) {
	before := Facts{ClusterID: "c", SealType: "shamir", Shares: 5, Threshold: 3, Census: census(map[string]int64{
		state.KindKVMetadata: 1200, state.KindKVVersion: 3000, state.KindEngine: 10, state.KindLease: 900, state.KindPolicy: 8,
	})}
	for name, c := range map[string]struct {
		change func(f *Facts)
		want   []string
	}{
		"nothing": {func(*Facts) {}, nil},
		"growth":  {func(f *Facts) { group(f, state.KindKVMetadata).Entries = 5000 }, nil},
		"half":    {func(f *Facts) { group(f, state.KindKVMetadata).Entries = 600 }, nil},
		"leases":  {func(f *Facts) { group(f, state.KindLease).Entries = 0 }, nil},
		"gone":    {func(f *Facts) { group(f, state.KindKVMetadata).Entries = 0 }, []string{"a KV mount of 1,200 secrets is gone; diff shows which"}},
		"shrunk":  {func(f *Facts) { group(f, state.KindKVVersion).Entries = 1499 }, []string{"a KV mount of 3,000 versions has 1,499 now; diff shows which"}},
		"policy":  {func(f *Facts) { group(f, state.KindPolicy).Entries = 1 }, []string{"the set of 8 policies has 1 now; diff shows which"}},
		"cluster": {func(f *Facts) { f.ClusterID = "d" }, []string{"the cluster id is another one than in the snapshot before: this is another cluster, or one that was set up anew"}},
		"seal":    {func(f *Facts) { f.SealType = "awskms" }, []string{`the seal was "shamir" and is "awskms" now: older snapshots need the old one`}},
		"shares": {func(f *Facts) { f.Shares = 7 }, []string{
			"the key was in 5 shares, 3 to unseal, and is in 7, 3 to unseal, now: older snapshots may need the old shares",
		}},
	} {
		after := before
		after.Census.Groups = append([]state.Group(nil), before.Census.Groups...)
		c.change(&after)
		if diff := cmp.Diff(c.want, after.warnings(&before)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func census(entries map[string]int64) state.Census {
	var c state.Census
	for kind, n := range entries {
		c.Groups = append(c.Groups, state.Group{Kind: kind, UUID: uuid, Entries: n})
	}
	return c
}

func group(f *Facts, kind string) *state.Group {
	for i := range f.Census.Groups {
		if f.Census.Groups[i].Kind == kind {
			return &f.Census.Groups[i]
		}
	}
	return nil
}

func TestMountThatVanishedIsWarnedOfWithoutItsName(t *testing.T) {
	server := fixtures.Vault(t)
	mount := fill(t, server, 5)
	first := dump(t, source(t, server))
	server.OK(t, "DELETE", "sys/mounts/"+mount, nil)
	r := &recorder{earlier: []snapshot.StreamInfo{{Name: StateName, Facts: first.streams[StateName].facts}}}
	must(t, source(t, server).Dump(t.Context(), r))
	all := strings.Join(r.warnings, "\n")
	if !strings.Contains(all, "a KV mount of 5 secrets is gone") || strings.Contains(all, mount) || strings.Contains(all, first.facts(t).Mounts[0].UUID) {
		t.Errorf("warnings %q", r.warnings)
	}
}

func TestUnreadableSnapshotBeforeIsAWarningAlone(t *testing.T) {
	r := &recorder{earlier: []snapshot.StreamInfo{{Name: StateName, Facts: json.RawMessage(`{"census":[]}`)}}}
	must(t, source(t, shared.Get(t)).Dump(t.Context(), r))
	r.check(t)
	if len(r.warnings) != 1 || !strings.Contains(r.warnings[0], "nothing was compared") {
		t.Errorf("warnings %q", r.warnings)
	}
}

func TestFactsOfTenThousandMountsFit(t *testing.T) {
	f := Facts{}
	var list []Mount
	var count state.Counter
	for i := range 10_000 {
		id := strings.Replace(uuid, "0b6f", string([]byte{hex(i >> 12), hex(i >> 8), hex(i >> 4), hex(i)}), 1)
		list = append(list, Mount{Path: strings.Repeat("team/", 8) + id, Type: "kv", UUID: id, Options: map[string]string{"version": "2"}})
		for _, kind := range []string{"metadata", "versions", "salt"} {
			count.Add(state.Entry{Key: "logical/" + id + "/" + uuid + "/" + kind + "/x"})
		}
	}
	var err error
	f.Mounts, f.MoreMounts, err = fit(list)
	must(t, err)
	f.Census = count.Census()
	text, err := json.Marshal(f)
	must(t, err)
	if len(text) > 1<<20 || len(f.Mounts) == 0 || len(f.Mounts)+f.MoreMounts != 10_000 {
		t.Errorf("%d bytes, %d mounts and %d more", len(text), len(f.Mounts), f.MoreMounts)
	}
}

func hex(n int) byte { return "0123456789abcdef"[n&15] }
