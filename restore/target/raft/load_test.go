package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultkv"
	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft"
)

func TestASnapshotIsRestoredIntoAFreshServer(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	loaded := load(t, &Target{Server: as(to, to.Token(t, Policy)), Shares: sharesOf(from.VaultServer, 0, 2, 4)}, from.dump)
	own := to.RootToken
	nowOwnedBy(to, from.VaultServer)
	if diff := cmp.Diff(from.sample.Expected(), vaultkv.Secrets(t, to)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	if status, _ := to.APIAs(t, own, http.MethodGet, "auth/token/lookup-self", nil); status != http.StatusForbidden {
		t.Errorf("the root token that the target had is still good: %d", status)
	}
	for i, s := range from.dump.Streams() {
		if got := loaded.Streams[i]; got.Name != s.Name || got.Rows != s.Rows || got.Bytes != s.Bytes {
			t.Errorf("loaded %+v of %+v", got, s)
		}
	}
	if notes := strings.Join(loaded.Notes, "\n"); !strings.Contains(notes, "came back byte for byte") {
		t.Errorf("notes: %s", notes)
	}
	noRootTokenWasLeft(t, from.VaultServer, to)
}

// noRootTokenWasLeft compares the numbers of tokens: the target has those of the source, without those that
// have ended meanwhile.
func noRootTokenWasLeft(t *testing.T, from, to *fixtures.VaultServer) {
	t.Helper()
	accessors := func(v *fixtures.VaultServer) map[string]bool {
		set := map[string]bool{}
		for _, a := range v.OK(t, "LIST", "auth/token/accessors", nil)["data"].(map[string]any)["keys"].([]any) {
			set[a.(string)] = true
		}
		return set
	}
	before := accessors(from)
	for a := range accessors(to) {
		if !before[a] {
			t.Error("the target has a token that the source has not")
		}
	}
}

func TestAnOccupiedTargetIsLeftAlone(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	unchanged := witness(t, to)
	target := &Target{Server: client(to), Shares: sharesOf(from.VaultServer, 0, 1, 2)}
	if err := target.Preflight(t.Context(), from.dump); !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("Preflight: %v", err)
	}
	if _, err := target.Load(t.Context(), from.dump); !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("Load: %v", err)
	}
	unchanged()
	target.Replace = true
	load(t, target, from.dump)
	nowOwnedBy(to, from.VaultServer)
	if diff := cmp.Diff(from.sample.Expected(), vaultkv.Secrets(t, to)); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}
}

func TestWithoutSharesTheServerIsLeftSealed(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	loaded := load(t, &Target{Server: client(to)}, from.dump)
	notes := strings.Join(loaded.Notes, "\n")
	for _, want := range []string{"is sealed now", "could not be recounted", "3 of the 5 unseal keys of the snapshot's cluster"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q:\n%s", want, notes)
		}
	}
	nowOwnedBy(to, from.VaultServer)
	to.Unseal(t)
	if diff := cmp.Diff(from.sample.Expected(), vaultkv.Secrets(t, to)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// A server goes on asking for as many shares as it was initialised with until it is restarted.
func TestOtherNumbersOfSharesAreToldBeforeAnythingIsReplaced(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.Vault(t) // one share
	target := &Target{Server: client(to), Shares: sharesOf(from.VaultServer, 0, 1, 2)}
	if err := target.Preflight(t.Context(), from.dump); !errors.Is(err, ErrOtherSplit) {
		t.Errorf("Preflight: %v", err)
	}
	target.Shares = nil
	lines, err := target.Survey(t.Context(), from.dump)
	must(t, err)
	if text := strings.Join(lines, "\n"); !strings.Contains(text, "restart every node after the restore") {
		t.Errorf("the survey does not tell of the restart:\n%s", text)
	}
	if notes := strings.Join(load(t, target, from.dump).Notes, "\n"); !strings.Contains(notes, "restart every node after the restore") {
		t.Errorf("the notes do not tell of the restart:\n%s", notes)
	}
	nowOwnedBy(to, from.VaultServer)
	must(t, to.Stop())
	to.Start(t)
	if diff := cmp.Diff(from.sample.Expected(), vaultkv.Secrets(t, to)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// Once the server has taken it there is no way back, which an error must not hide.
func TestAnErrorAfterTheUploadSaysThatTheTargetIsReplaced(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server, taken := endingAfter(t, to, cancel, func(path string, _ []byte) bool { return strings.HasSuffix(path, "snapshot-force") })
	target := &Target{Server: server, Shares: sharesOf(from.VaultServer, 0, 1, 2)}
	if _, err := target.Load(ctx, from.dump); !errors.Is(err, ErrReplaced) || !errors.Is(err, context.Canceled) || !taken.Load() {
		t.Errorf("cancelled after the upload: %v", err)
	}
}

func TestADumpThatBreaksOffOnTheSecondPassChangesNothing(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	unchanged := witness(t, to)
	size := sizeOf(t, from.dump, raft.StateName)
	for _, at := range []int64{0, size / 2, size} {
		d := &altered{Dump: from.dump}
		d.wrap = func(stream string, n int, r io.Reader) io.Reader {
			if stream != raft.StateName || n < 2 {
				return r
			}
			return cut(r, at)
		}
		if _, err := (&Target{Server: client(to), Replace: true}).Load(t.Context(), d); !errors.Is(err, errLost) || errors.Is(err, ErrReplaced) {
			t.Errorf("cut at %d of %d: %v", at, size, err)
		}
		unchanged()
	}
}

func TestADamagedDumpIsNotSent(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	unchanged := witness(t, to)
	for _, stream := range []string{raft.MetaName, raft.StateName, raft.SumsName} {
		d := &altered{Dump: from.dump, wrap: flip(stream, sizeOf(t, from.dump, stream)/2)}
		for _, replace := range []bool{true, false} {
			if _, err := (&Target{Server: client(to), Replace: replace}).Load(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
				t.Errorf("%s: %v", stream, err)
			}
		}
	}
	unchanged()
}

// flip alters one bit of a stream, every time that it is read.
func flip(name string, at int64) func(string, int, io.Reader) io.Reader {
	return func(stream string, _ int, r io.Reader) io.Reader {
		if stream != name {
			return r
		}
		return &flipping{r: r, left: at}
	}
}

type flipping struct {
	r    io.Reader
	left int64
}

func (f *flipping) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.left >= 0 && f.left < int64(n) {
		p[f.left] ^= 1
	}
	f.left -= int64(n)
	return n, err
}

func TestARehearsedLoadUploadsNothing(t *testing.T) {
	t.Parallel()
	from := source(t)
	to := fixtures.VaultWith(t, five)
	unchanged := witness(t, to)
	loaded := load(t, &Target{Server: client(to), Replace: true, Rehearse: true, Shares: sharesOf(from.VaultServer, 0, 1, 2)}, from.dump)
	unchanged()
	if notes := strings.Join(loaded.Notes, "\n"); !strings.Contains(notes, "nothing was uploaded") || !strings.Contains(notes, "snapshot-force") {
		t.Errorf("notes: %s", notes)
	}
}

// The source is gone: a standby that reaches it takes it for its leader, who does not know it.
func TestARestoreIntoAClusterUnsealsEveryConfiguredNode(t *testing.T) {
	t.Parallel()
	from := fixtures.VaultWith(t, five)
	path := from.MountKV(t, 2) + "/data/s"
	from.OK(t, http.MethodPost, path, map[string]any{"data": map[string]any{"v": "restored"}})
	d := take(t, from)
	must(t, from.Stop())
	cluster := fixtures.VaultClusterWith(t, 3, five)
	server := client(cluster.Leader(t))
	server.Addresses = nil
	for _, standby := range cluster.Standbys(t) { // the leader is found
		server.Addresses = append(server.Addresses, standby.Address)
	}
	load(t, &Target{Server: server, Shares: sharesOf(from, 0, 1, 2)}, d)
	for _, node := range cluster.Nodes {
		nowOwnedBy(node, from)
		st, err := server.Status(t.Context(), node.Address)
		if err != nil || st.Sealed {
			t.Errorf("%s: %+v, %v", node.Address, st, err)
		}
	}
	if answer := cluster.Leader(t).OK(t, http.MethodGet, path, nil); !strings.Contains(fmt.Sprint(answer), "v:restored") {
		t.Errorf("the secret is %v", answer["data"])
	}
}
