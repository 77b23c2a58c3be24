package kv

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/testrepo"
	"holdfast/fixtures/vaultkv"
	"holdfast/restore"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/store"
	"holdfast/snapshot/store/dir"
)

// TestOneSecretOfFiveThousandIsRestoredAlone takes a snapshot of three mounts into a repository, and counts
// what is fetched from there to restore one secret.
func TestOneSecretOfFiveThousandIsRestoredAlone(t *testing.T) {
	s := fixtures.Vault(t)
	sample := vaultkv.Fill(t, s, 5000)
	folder, err := dir.Create(t.TempDir())
	must(t, err)
	repo := testrepo.New(t, folder)
	policy := kv.Policy
	src := &kv.Source{}
	for _, m := range sample.Mounts {
		policy += sourceRights(m)
		src.Mounts = append(src.Mounts, m.Path)
	}
	src.Server = server(t, s, policy)
	began := time.Now()
	m := repo.Take(t, "vault", src)
	t.Logf("snapshot of %d secrets in %v", 5000, time.Since(began).Round(time.Millisecond))
	want := sample.Expected()
	path, _, _ := sample.Canary()

	counted := store.Counted(repo.Store)
	opened, err := restore.Open(t.Context(), counted, m, repo.Trust, nil, repo.Identity)
	must(t, err)
	opening := counted.Counts()
	to := mount(t, s, 2)
	x := target(t, s, false, to)
	x.Mount, x.Only = to.Path, []string{"=" + path}
	loaded := load(t, x, opened)
	all := counted.Counts()
	t.Logf("one secret of %d: %d requests and %d bytes, %d and %d of them to open the snapshot; the snapshot has %d bytes in %d packs, %d plain",
		len(want), all.Gets, all.Received, opening.Gets, opening.Received, m.Totals.StoredBytes, m.Totals.Packs, m.Totals.PlainBytes)

	got := content(t, s, to)
	one := want[path]
	one.Mount = ""
	if diff := cmp.Diff(map[string]vaultkv.Secret{one.Path: one}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(loaded.Streams) != 1 || loaded.Streams[0].Rows != 1 {
		t.Errorf("loaded %+v", loaded)
	}
	if all.Received > m.Totals.StoredBytes/2 {
		t.Errorf("%d bytes were fetched of a snapshot of %d", all.Received, m.Totals.StoredBytes)
	}
}
