package raft

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft"
)

func TestACheckRecountsEveryStream(t *testing.T) {
	t.Parallel()
	from := source(t)
	for _, c := range []Checker{{}, {Shares: sharesOf(from.VaultServer, 4, 3, 2)}} {
		loaded, err := restore.Run(t.Context(), from.dump, restore.Discard{Checker: c})
		must(t, err)
		if told := strings.Contains(strings.Join(loaded.Notes, "\n"), "entries decrypted"); told != (c.Shares != nil) {
			t.Errorf("notes %q", loaded.Notes)
		}
	}
}

func TestACheckWithOtherSharesFails(t *testing.T) {
	t.Parallel()
	from := source(t)
	other := fixtures.VaultWith(t, five)
	for want, shares := range map[error]func() (barrier.Shares, error){
		barrier.ErrTooFew:      sharesOf(from.VaultServer, 0, 1),
		barrier.ErrWrongShares: sharesOf(other, 0, 1, 2),
	} {
		if _, err := (Checker{Shares: shares}).Check(t.Context(), from.dump); !errors.Is(err, want) {
			t.Errorf("%v: %v", want, err)
		}
	}
}

// A flipped bit that the repository did not find, and facts that tell of another archive.
func TestACheckFindsWhatDoesNotFitTogether(t *testing.T) {
	t.Parallel()
	from := source(t)
	for _, stream := range []string{raft.MetaName, raft.StateName, raft.SumsName} {
		size := sizeOf(t, from.dump, stream)
		for _, at := range []int64{0, size / 2, size - 1} {
			d := &altered{Dump: from.dump, wrap: flip(stream, at)}
			if _, err := (Checker{}).Check(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
				t.Errorf("%s altered at %d of %d: %v", stream, at, size, err)
			}
		}
		d := &altered{Dump: from.dump, wrap: func(s string, _ int, r io.Reader) io.Reader {
			if s != stream {
				return r
			}
			return io.LimitReader(r, size-1)
		}}
		if _, err := (Checker{}).Check(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("%s a byte short: %v", stream, err)
		}
	}
	d := &altered{Dump: from.dump, facts: func(f *raft.Facts) { f.Census.Groups[len(f.Census.Groups)-1].Entries++ }}
	if _, err := (Checker{}).Check(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("another census: %v", err)
	}
}

func TestDiffTellsOfMountsAndNumbers(t *testing.T) {
	t.Parallel()
	v := fixtures.VaultWith(t, five)
	stays, goes := v.MountKV(t, 2), v.MountKV(t, 1)
	for _, path := range []string{stays + "/data/a", goes + "/a"} {
		v.OK(t, http.MethodPost, path, map[string]any{"data": map[string]any{"v": "1"}})
	}
	before := take(t, v)
	v.OK(t, http.MethodDelete, "sys/mounts/"+goes, nil)
	comes := v.MountKV(t, 1)
	v.OK(t, http.MethodPost, comes+"/x", map[string]any{"v": "1"})
	v.OK(t, http.MethodPost, stays+"/data/b", map[string]any{"data": map[string]any{"v": "1"}})
	v.OK(t, http.MethodPost, stays+"/data/a", map[string]any{"data": map[string]any{"v": "2"}})
	after := take(t, v)
	got, err := Diff(t.Context(), before, after)
	must(t, err)
	want := []restore.Change{
		{Name: goes + "/", Change: "removed", Detail: "kv, 1 entries"},
		{Name: comes + "/", Change: "added", Detail: "kv, 1 entries"},
		{Name: stays + "/ kv metadata", Change: "changed", Detail: "2 entries, were 1 (+1)"},
		{Name: stays + "/ kv version", Change: "changed", Detail: "3 entries, were 1 (+2)"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	same, err := Diff(t.Context(), after, after)
	if err != nil || len(same) != 0 {
		t.Errorf("of itself: %v, %v", same, err)
	}
	moved := &altered{Dump: after, facts: func(f *raft.Facts) { f.ClusterID, f.Threshold = "another", 2 }}
	got, err = Diff(t.Context(), after, moved)
	must(t, err)
	if len(got) != 2 || got[0].Name != "cluster id" || got[1] != (restore.Change{Name: "unseal threshold", Change: "changed", Detail: `"2", was "3"`}) {
		t.Errorf("of another cluster: %v", got)
	}
}

func TestReadingBackFindsWhatAServerHasNot(t *testing.T) {
	t.Parallel()
	v := fixtures.VaultWith(t, five)
	path := v.MountKV(t, 1)
	v.OK(t, http.MethodPost, path+"/a", map[string]any{"v": "1"})
	d := take(t, v)
	sess, err := client(v).Login(t.Context())
	must(t, err)
	if c, err := readBack(t.Context(), sess, d, tolerance{}); err != nil || c.equal < 20 {
		t.Errorf("of the same: %+v, %v", c, err)
	}
	v.OK(t, http.MethodPost, path+"/a", map[string]any{"v": "2"})
	_, err = readBack(t.Context(), sess, d, tolerance{})
	if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), `1 of kind "engine"`) {
		t.Errorf("of another: %v", err)
	}
	must(t, sess.Close(t.Context()))
}
