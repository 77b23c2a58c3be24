package snapshot_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
)

// TestAHostEncryptsToItsOwnEpochsOnly lets another host, which is trusted to sign, make the vault's
// newest epoch. It may have kept the identity.
func TestAHostEncryptsToItsOwnEpochsOnly(t *testing.T) {
	r := testrepo.Dir(t)
	src := testrepo.Source{"db": testrepo.Secrets(100_000, 1)}
	mine := r.Take(t, "vault", src)
	other, err := snapshot.NewHostKey("other-host")
	if err != nil {
		t.Fatal(err)
	}
	if r.Trust, err = snapshot.NewTrust(r.Host.Signer.Verifier, other.Signer.Verifier); err != nil {
		t.Fatal(err)
	}
	taker := r.Taker("vault", nil)
	taker.Host = other
	theirs, err := taker.Take(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	next := r.Take(t, "vault", src)
	if theirs.Epoch == mine.Epoch || next.Epoch != mine.Epoch {
		t.Errorf("epochs: mine %s, theirs %s, mine again %s", mine.Epoch, theirs.Epoch, next.Epoch)
	}
}

func TestALostEpochIsSaidAndNotBuiltOn(t *testing.T) {
	r := testrepo.Dir(t)
	src := testrepo.Source{"db": testrepo.Secrets(100_000, 1)}
	first := r.Take(t, "vault", src)
	r.NewRecipient(t)
	second := r.Take(t, "vault", src)
	if err := r.Store.Delete(t.Context(), snapshot.EpochKey("vault", second.Epoch)); err != nil {
		t.Fatal(err)
	}
	third := r.Take(t, "vault", src)
	if third.Epoch == first.Epoch || third.Epoch == second.Epoch {
		t.Errorf("it was encrypted to an epoch that came to light again: %s", third.Epoch)
	}
	r.Open(t, third)
	// With the recipients of the first epoch, which is older than the one that is missing.
	if err := r.Store.Delete(t.Context(), snapshot.EpochKey("vault", third.Epoch)); err != nil {
		t.Fatal(err)
	}
	fourth := r.Take(t, "vault", src)
	if !strings.Contains(strings.Join(fourth.Warnings, "\n"), "epoch") {
		t.Errorf("warnings: %q", fourth.Warnings)
	}
}

func TestJunkFromTheFutureStopsNothing(t *testing.T) {
	r := testrepo.Dir(t)
	src := testrepo.Source{"db": testrepo.Secrets(100_000, 1)}
	r.Take(t, "vault", src)
	for _, key := range []string{snapshot.ManifestKey("vault", "20991231T235959Z-00000000"), snapshot.EpochKey("vault", "20991231T235959Z-00000000"),
		snapshot.IndexKey("vault", "20991231T235959Z-00000000", 0), snapshot.ChecksPrefix("vault") + "20991231T235959Z-00000000/x"} {
		if err := r.Store.Put(t.Context(), key, []byte("junk"), snapshot.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	r.Take(t, "vault", src)
}

func TestDamageFoundInAnOlderSnapshotIsNotBuiltOn(t *testing.T) {
	r := testrepo.Dir(t)
	src := testrepo.Source{"db": testrepo.Secrets(300_000, 1)}
	first := r.Take(t, "vault", src)
	r.Take(t, "vault", src)
	bad := snapshot.PackKey("vault", r.Open(t, first).Contents.Table()[0].Sum)
	finding := &snapshot.Finding{Repository: r.Repository.ID, Vault: "vault", ID: first.ID, Level: snapshot.LevelChecksum,
		Finished: time.Now(), Damage: []snapshot.Complaint{{Key: bad, Problem: "flipped"}}}
	if err := snapshot.WriteFinding(t.Context(), r.Store, finding, r.Host.Signer, snapshot.Lock{}); err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Open(t, r.Take(t, "vault", src)).Contents.Table() {
		if snapshot.PackKey("vault", p.Sum) == bad {
			t.Error("the damaged pack is used again")
		}
	}
}

// slow is a store whose manifests take their time, as when a host was paused before the put.
type slow struct {
	*testrepo.Repo
	snapshot.Store
	snapshot.Registers
}

func (s slow) Put(ctx context.Context, key string, body []byte, o snapshot.PutOptions) error {
	if strings.HasSuffix(key, "/manifest") {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Second):
		}
	}
	return s.Store.Put(ctx, key, body, o)
}

func TestACommitIsOverBeforeTheLeaseCanBe(t *testing.T) {
	r := testrepo.Dir(t)
	s := slow{r, r.Store, r.Store}
	taker := r.Taker("vault", s)
	taker.LeaseTTL = 2 * time.Second
	_, err := taker.Take(t.Context(), testrepo.Source{"db": []byte("x")})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if list, err := r.Catalog().List(t.Context(), "vault"); err != nil || len(list) != 0 {
		t.Errorf("listed: %v, %v", list, err)
	}
}

func TestTagsThatDoNotFitAreRefusedAtOnce(t *testing.T) {
	r := testrepo.Dir(t)
	taker := r.Taker("vault", nil)
	taker.Tags = map[string]string{"k": strings.Repeat("x", 5000)}
	if _, err := taker.Take(t.Context(), sourceFunc(func(context.Context, snapshot.Dump) error {
		t.Error("the source was dumped all the same")
		return nil
	})); err == nil {
		t.Error("it succeeded")
	}
}

// TestAnEpochHoldsNoIdentityInTheClear reads what is stored of it as anyone can.
func TestAnEpochHoldsNoIdentityInTheClear(t *testing.T) {
	r := testrepo.Dir(t)
	m := r.Take(t, "vault", testrepo.Source{"db": []byte("x")})
	e, err := snapshot.ReadEpoch(t.Context(), r.Store, r.Repository.ID, "vault", m.Epoch, r.Trust)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "AGE-SECRET-KEY") || !strings.Contains(e.Identity, "BEGIN AGE ENCRYPTED FILE") {
		t.Errorf("it holds %s", b)
	}
	if _, err := e.Unlock(&age.X25519Identity{}); err == nil {
		t.Error("an empty identity opens it")
	}
}
