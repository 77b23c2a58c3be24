package verify_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
	"holdfast/verify"
)

// a small repository with everything in it: two snapshots with a change between, findings about
// both, and an older version of each object that was ever replaced.
type small struct {
	*testrepo.Repo
	now, before map[string][]byte
}

func newSmall(t *testing.T) *small {
	r := testrepo.Dir(t)
	data := testrepo.Secrets(700<<10, 1)
	r.Take(t, "vault", testrepo.Source{"db": data, "notes": []byte("few")})
	verifyVault(t, r, snapshot.LevelContent, true)
	s := &small{Repo: r, before: read(t, r)}
	r.Take(t, "other", testrepo.Source{"db": data}) // its objects are of the same kinds, and signed too
	r.Take(t, "vault", testrepo.Source{"db": append(data, testrepo.Secrets(200<<10, 2)...), "notes": []byte("more")})
	verifyVault(t, r, snapshot.LevelContent, true)
	s.now = read(t, r)
	return s
}

func read(t *testing.T, r *testrepo.Repo) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, k := range r.Keys(t) {
		rd, err := r.Store.Get(t.Context(), k, snapshot.Range{})
		if err != nil {
			t.Fatal(err)
		}
		if all[k], err = io.ReadAll(rd); err != nil {
			t.Fatal(err)
		}
		rd.Close()
	}
	return all
}

// put makes key hold body, whatever it held.
func (s *small) put(t *testing.T, key string, body []byte) {
	t.Helper()
	if err := s.Store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if body == nil {
		return
	}
	if err := s.Store.Put(t.Context(), key, body, snapshot.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

// complaints verifies the vault and returns the damaged keys, "repository" if it did not open.
func complaints(t *testing.T, r *testrepo.Repo, level string) map[string]bool {
	t.Helper()
	keys := map[string]bool{}
	repository, err := snapshot.Open(t.Context(), r.Store, r.Trust)
	if err != nil {
		if strings.Contains(err.Error(), snapshot.RepositoryKey+" is damaged") {
			keys[snapshot.RepositoryKey] = true
			return keys
		}
		t.Fatal(err)
	}
	v := verifier(r, level, false)
	v.Repository = repository
	res, err := v.Vault(t.Context(), "vault")
	if err != nil {
		t.Fatalf("verifying: %v", err)
	}
	for _, c := range res.Damage {
		keys[c.Key] = true
	}
	for _, f := range res.Findings {
		for _, c := range f.Damage {
			keys[c.Key] = true
		}
	}
	if res.Good() != (len(keys) == 0) || (res.Err() == nil) != (len(keys) == 0) {
		t.Errorf("good: %v, error: %v, for %d complaints", res.Good(), res.Err(), len(keys))
	}
	return keys
}

func verifier(r *testrepo.Repo, level string, store bool) *verify.Verifier {
	v := &verify.Verifier{Store: r.Store, Repository: r.Repository, Trust: r.Trust, Level: level,
		Identities: []age.Identity{r.Identity}, Cache: r.Cache, HostName: "test-host", Tool: "test"}
	if store {
		v.Signer = &r.Host.Signer
	}
	return v
}

func verifyVault(t *testing.T, r *testrepo.Repo, level string, store bool) *verify.Result {
	t.Helper()
	res, err := verifier(r, level, store).Vault(context.Background(), "vault")
	if err != nil {
		t.Fatal(err)
	}
	if !res.Good() {
		t.Fatalf("a healthy vault is called damaged: %v", res.Err())
	}
	return res
}

// TestEveryDamagedObjectIsNamed alters each object of a small repository in every way that one
// object can be altered, and expects content verification to name it.
func TestEveryDamagedObjectIsNamed(t *testing.T) {
	s := newSmall(t)
	rng := rand.New(rand.NewPCG(1, 2))
	tried := 0
	for key, body := range s.now {
		if strings.HasPrefix(key, "vaults/other/") {
			continue
		}
		for name, altered := range s.alterations(rng, key, body) {
			tried++
			s.put(t, key, altered)
			if found := complaints(t, s.Repo, snapshot.LevelContent); !found[key] {
				t.Errorf("%s of %s: not named; found %v", name, key, found)
			}
			s.put(t, key, body)
		}
	}
	if found := complaints(t, s.Repo, snapshot.LevelContent); len(found) > 0 {
		t.Errorf("after putting everything back: %v", found)
	}
	t.Logf("%d objects, %d alterations", len(s.now), tried)
}

// alterations are the ways to damage one object: bits, cuts, deletion, every other object in its
// place, and its own earlier version.
func (s *small) alterations(rng *rand.Rand, key string, body []byte) map[string][]byte {
	list := map[string][]byte{"deletion": nil, "emptying": {}, "cut": body[:len(body)-1], "half": body[:len(body)/2],
		"growth": append(bytes.Clone(body), '\n')}
	for i := range 6 {
		b := bytes.Clone(body)
		at := rng.IntN(len(b))
		if i == 0 {
			at = len(b) - 1
		}
		b[at] ^= 1 << rng.IntN(8)
		list["flipped bit "+string(rune('a'+i))] = b
	}
	for other, b := range s.now {
		if other != key && rng.IntN(everySwap) == 0 && !bytes.Equal(b, body) {
			list["swap with "+other] = b
		}
	}
	if old, ok := s.before[key]; ok && !bytes.Equal(old, body) {
		list["replay"] = old
	}
	return list
}

// TestALeaseFromBeforeAFailedRunIsFound puts a lease back that no snapshot contradicts: only the host
// that saw the newer one can tell.
func TestALeaseFromBeforeAFailedRunIsFound(t *testing.T) {
	r := testrepo.Dir(t)
	r.Take(t, "vault", testrepo.Source{"db": []byte("x")})
	key := snapshot.LeaseKey("vault")
	old := read(t, r)[key]
	taker := r.Taker("vault", nil)
	taker.Cache = r.Cache
	if _, err := taker.Take(t.Context(), testrepo.Source{"db": nil}); err == nil {
		t.Fatal("an empty source was stored")
	}
	if found := complaints(t, r, snapshot.LevelChecksum); len(found) > 0 {
		t.Errorf("after a failed run: %v", found)
	}
	(&small{Repo: r}).put(t, key, old)
	if found := complaints(t, r, snapshot.LevelChecksum); !found[key] {
		t.Errorf("found %v", found)
	}
	r.Cache = nil
	if found := complaints(t, r, snapshot.LevelChecksum); len(found) > 0 {
		t.Errorf("a host that saw nothing: %v", found)
	}
}

// TestChecksumNeedsNoKeyAndNamesWhatItCovers does the same without an identity for what is
// stored under a signed hash.
func TestChecksumNeedsNoKeyAndNamesWhatItCovers(t *testing.T) {
	s := newSmall(t)
	s.Identity = nil
	for key, body := range s.now {
		if strings.HasPrefix(key, "vaults/other/") {
			continue
		}
		b := bytes.Clone(body)
		b[len(b)/2] ^= 4
		s.put(t, key, b)
		if found := complaints(t, s.Repo, snapshot.LevelChecksum); !found[key] {
			t.Errorf("a flipped bit in %s: not named; found %v", key, found)
		}
		s.put(t, key, nil)
		if found := complaints(t, s.Repo, snapshot.LevelChecksum); !found[key] {
			t.Errorf("deletion of %s: not named; found %v", key, found)
		}
		s.put(t, key, body)
	}
}

// TestAForgedSnapshotIsNotBelieved plants a whole snapshot of another signer, as somebody with
// write access to the bucket could.
func TestAForgedSnapshotIsNotBelieved(t *testing.T) {
	r := testrepo.Dir(t)
	r.Take(t, "vault", testrepo.Source{"db": []byte("real")})
	forger, err := snapshot.NewHostKey("forger")
	if err != nil {
		t.Fatal(err)
	}
	taker := r.Taker("vault", nil)
	taker.Host = forger
	if taker.Trust, err = snapshot.NewTrust(forger.Signer.Verifier, r.Host.Signer.Verifier); err != nil {
		t.Fatal(err)
	}
	m, err := taker.Take(t.Context(), testrepo.Source{"db": []byte("planted")})
	if err != nil {
		t.Fatal(err)
	}
	found := complaints(t, r, snapshot.LevelContent)
	if !found[snapshot.ManifestKey("vault", m.ID)] {
		t.Errorf("found %v", found)
	}
}

func TestASampleReadsAPart(t *testing.T) {
	r := testrepo.Dir(t)
	r.Take(t, "vault", testrepo.Source{"db": testrepo.Secrets(8<<20, 1)})
	v := verifier(r, snapshot.LevelChecksum, false)
	all, err := v.Vault(t.Context(), "vault")
	if err != nil {
		t.Fatal(err)
	}
	v.Sample = 25
	part, err := v.Vault(t.Context(), "vault")
	if err != nil {
		t.Fatal(err)
	}
	if a, p := all.Findings[0].Bytes, part.Findings[0].Bytes; p > a*2/5 || p < a/5 {
		t.Errorf("a sample of 25 percent read %d of %d bytes", p, a)
	}
}

func TestFindingsNameWhatWasChecked(t *testing.T) {
	r := testrepo.Dir(t)
	m := r.Take(t, "vault", testrepo.Source{"db": testrepo.Secrets(100<<10, 1)})
	verifyVault(t, r, snapshot.LevelContent, true)
	list, err := snapshot.ReadFindings(t.Context(), r.Store, r.Repository.ID, "vault", m.ID, r.Trust)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d findings, %v", len(list), err)
	}
	f := list[0]
	if !f.Good || f.ID != m.ID || !f.DataAsOf.Equal(m.DataAsOf) || f.Level != snapshot.LevelContent || f.Rows != m.Totals.Rows {
		t.Errorf("the finding says %+v", f)
	}
	if time.Since(f.Finished) > time.Minute {
		t.Errorf("it is dated %s", f.Finished)
	}
}
