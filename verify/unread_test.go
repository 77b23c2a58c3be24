package verify_test

import (
	"errors"
	"strings"
	"testing"

	"holdfast/fixtures/faulty"
	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
)

// packsOf lists the packs of the vault.
func packsOf(t *testing.T, r *testrepo.Repo) []string {
	t.Helper()
	var packs []string
	for _, k := range r.Keys(t) {
		if strings.HasPrefix(k, snapshot.PacksPrefix("vault")) {
			packs = append(packs, k)
		}
	}
	return packs
}

// flip alters one bit of an object behind the store's back.
func flip(t *testing.T, r *testrepo.Repo, key string) {
	t.Helper()
	s := &small{Repo: r}
	b := read(t, r)[key]
	b[len(b)/2] ^= 1
	s.put(t, key, b)
}

func TestOneUnreadableObjectHidesNoDamage(t *testing.T) {
	for _, level := range []string{snapshot.LevelChecksum, snapshot.LevelContent} {
		r := testrepo.Dir(t)
		r.Take(t, "vault", testrepo.Source{"db": testrepo.Secrets(2<<20, 1)})
		packs := packsOf(t, r)
		flip(t, r, packs[1])
		eio := errors.New("input/output error")
		v := verifier(r, level, true)
		v.Store = faulty.New(r.Store, faulty.Fault{Verb: faulty.Get, Prefix: packs[0], Err: eio})
		res, err := v.Vault(t.Context(), "vault")
		if err != nil {
			t.Fatalf("%s: it gave up: %v", level, err)
		}
		if err := res.Err(); !errors.Is(err, snapshot.ErrDamaged) || !errors.Is(err, eio) || !strings.Contains(err.Error(), packs[1]) {
			t.Errorf("%s: found %v", level, err)
		}
		if res.Good() || res.Findings[0].Good {
			t.Errorf("%s: it is called good", level)
		}
	}
}

func TestASnapshotThatCouldNotBeReadIsNeitherGoodNorBad(t *testing.T) {
	r := testrepo.Dir(t)
	m := r.Take(t, "vault", testrepo.Source{"db": testrepo.Secrets(2<<20, 1)})
	v := verifier(r, snapshot.LevelChecksum, true)
	v.Store = faulty.New(r.Store, faulty.Fault{Verb: faulty.Get, Prefix: packsOf(t, r)[0]})
	res, err := v.Vault(t.Context(), "vault")
	if err != nil || res.Good() || errors.Is(res.Err(), snapshot.ErrDamaged) {
		t.Errorf("%v, %v", err, res.Err())
	}
	list, err := snapshot.ReadFindings(t.Context(), r.Store, r.Repository.ID, "vault", m.ID, r.Trust)
	if err != nil || len(list) != 0 {
		t.Errorf("findings: %v, %v", list, err)
	}
}

func TestDamageIsToldWhereTheFindingCannotBeStored(t *testing.T) {
	r := testrepo.Dir(t)
	r.Take(t, "vault", testrepo.Source{"db": testrepo.Secrets(1<<20, 1)})
	pack := packsOf(t, r)[0]
	flip(t, r, pack)
	v := verifier(r, snapshot.LevelContent, true)
	full := faulty.New(r.Store, faulty.Fault{Verb: faulty.Put, Err: snapshot.ErrFull})
	v.Store = full
	res, err := v.Vault(t.Context(), "vault")
	if err != nil || full.Fired() == 0 {
		t.Fatal(err)
	}
	if err := res.Err(); !errors.Is(err, snapshot.ErrDamaged) || !errors.Is(err, snapshot.ErrFull) || !strings.Contains(err.Error(), pack) {
		t.Errorf("found %v", err)
	}
}

func TestAStoreThatDoesNotAnswerIsAFailure(t *testing.T) {
	r := testrepo.Dir(t)
	r.Take(t, "vault", testrepo.Source{"db": testrepo.Secrets(8<<20, 1)})
	v := verifier(r, snapshot.LevelChecksum, true)
	v.Store = faulty.New(r.Store, faulty.Fault{Verb: faulty.Get, Prefix: snapshot.PacksPrefix("vault")})
	if _, err := v.Vault(t.Context(), "vault"); err == nil || errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestASampleOfTheContentIsDecrypted(t *testing.T) {
	r := testrepo.Dir(t)
	r.Take(t, "vault", testrepo.Source{"db": testrepo.Secrets(8<<20, 1)})
	v := verifier(r, snapshot.LevelContent, false)
	v.Sample = 25
	part, err := v.Vault(t.Context(), "vault")
	if err != nil || !part.Good() {
		t.Fatalf("%v, %v", err, part.Err())
	}
	if n := len(packsOf(t, r)); part.Findings[0].Objects > n {
		t.Errorf("%d objects of %d packs and some", part.Findings[0].Objects, n)
	}
	for _, p := range packsOf(t, r) {
		flip(t, r, p)
	}
	if part, err = v.Vault(t.Context(), "vault"); err != nil || part.Good() {
		t.Errorf("where every pack is damaged: %v, %v", err, part.Err())
	}
}
