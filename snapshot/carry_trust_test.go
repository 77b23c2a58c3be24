package snapshot_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
	"holdfast/snapshot/pack"
)

// load reads one object of a repository.
func load(t *testing.T, r *testrepo.Repo, key string) []byte {
	t.Helper()
	rd, err := r.Store.Get(t.Context(), key, snapshot.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	b, err := io.ReadAll(rd)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// replace puts body in an object's place.
func replace(t *testing.T, r *testrepo.Repo, key string, body []byte) {
	t.Helper()
	if err := r.Store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := r.Store.Put(t.Context(), key, body, snapshot.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

// resign replaces a manifest by one with other contents, signed by signer.
func resign(t *testing.T, r *testrepo.Repo, m *snapshot.Manifest, signer snapshot.Signer) {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	b, err := note.Sign(&note.Note{Text: string(text) + "\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, r, snapshot.ManifestKey("vault", m.ID), b)
}

// offersNothing takes a snapshot that must not carry anything over, and is good all the same.
func offersNothing(t *testing.T, r *testrepo.Repo, src *testrepo.Carrying) {
	t.Helper()
	m := r.Take(t, "vault", src)
	if len(src.Offered) != 0 {
		t.Errorf("offered: %q", src.Offered)
	}
	same(t, r, m, src.Source)
}

func TestANewEpochCarriesNothingOver(t *testing.T) {
	r := testrepo.Dir(t)
	src := &testrepo.Carrying{Source: parts(3)}
	r.Take(t, "vault", src)
	r.NewRecipient(t)
	offersNothing(t, r, src)
}

func TestAlteredContentsAreNotBuiltOn(t *testing.T) {
	for name, alter := range map[string]func([]byte) []byte{
		"flipped": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut":     func(b []byte) []byte { return b[:len(b)-1] },
		"longer":  func(b []byte) []byte { return append(b, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			r := testrepo.Dir(t)
			src := &testrepo.Carrying{Source: parts(3)}
			m := r.Take(t, "vault", src)
			key := snapshot.ContentsKey("vault", m.ID)
			replace(t, r, key, alter(load(t, r, key)))
			offersNothing(t, r, src)
			r.Take(t, "vault", src)
			if len(src.Carried) != len(src.Source) {
				t.Errorf("the run after that carried %q", src.Carried)
			}
		})
	}
}

func TestMissingContentsAreNotBuiltOn(t *testing.T) {
	r := testrepo.Dir(t)
	src := &testrepo.Carrying{Source: parts(3)}
	m := r.Take(t, "vault", src)
	if err := r.Store.Delete(t.Context(), snapshot.ContentsKey("vault", m.ID)); err != nil {
		t.Fatal(err)
	}
	offersNothing(t, r, src)
}

// twoHosts lets r trust another host as well.
func twoHosts(t *testing.T, r *testrepo.Repo) *snapshot.HostKey {
	t.Helper()
	other, err := snapshot.NewHostKey("other-host")
	if err != nil {
		t.Fatal(err)
	}
	if r.Trust, err = snapshot.NewTrust(r.Host.Signer.Verifier, other.Signer.Verifier); err != nil {
		t.Fatal(err)
	}
	return other
}

func TestAnotherHostsSnapshotIsNotCarriedOver(t *testing.T) {
	r := testrepo.Dir(t)
	src := &testrepo.Carrying{Source: parts(3)}
	r.Take(t, "vault", src)
	other := twoHosts(t, r)
	taker := r.Taker("vault", nil)
	taker.Host = other
	if _, err := taker.Take(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	if len(src.Offered) != 0 {
		t.Errorf("the other host was offered %q", src.Offered)
	}
	offersNothing(t, r, src)
}

// TestWhatAnotherHostSignedIsNotCarriedOver puts the name of another trusted host under this one's
// contents, which this one opens: what is carried over comes out under this host's name.
func TestWhatAnotherHostSignedIsNotCarriedOver(t *testing.T) {
	r := testrepo.Dir(t)
	src := &testrepo.Carrying{Source: parts(3)}
	m := r.Take(t, "vault", src)
	resign(t, r, m, twoHosts(t, r).Signer)
	offersNothing(t, r, src)
}

// TestContentsForTheEpochAloneCarryNothingOver is the snapshot of an earlier program.
func TestContentsForTheEpochAloneCarryNothingOver(t *testing.T) {
	r := testrepo.Dir(t)
	src := &testrepo.Carrying{Source: parts(3)}
	m := r.Take(t, "vault", src)
	key := snapshot.ContentsKey("vault", m.ID)
	text, err := pack.Decrypt(bytes.NewReader(load(t, r, key)), 1<<20, r.Open(t, m).Epoch)
	if err != nil {
		t.Fatal(err)
	}
	e, err := snapshot.ReadEpoch(t.Context(), r.Store, r.Repository.ID, "vault", m.Epoch, r.Trust)
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := age.ParseHybridRecipient(e.Recipient)
	if err != nil {
		t.Fatal(err)
	}
	old, err := pack.Encrypt(text, epoch)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, r, key, old)
	m.Contents = snapshot.Blob{Size: int64(len(old)), SHA256: sha256.Sum256(old)}
	resign(t, r, m, r.Host.Signer)
	same(t, r, m, src.Source)
	offersNothing(t, r, src)
}

// TestTheHostOpensItsListsAndNoPack tries every object with what a host has.
func TestTheHostOpensItsListsAndNoPack(t *testing.T) {
	r := testrepo.Dir(t)
	r.Take(t, "vault", parts(3))
	var ids []age.Identity
	for line := range strings.Lines(r.Host.Text()) {
		if key, ok := strings.CutPrefix(line, "index "); ok {
			list, err := age.ParseIdentities(strings.NewReader(key))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, list...)
		}
	}
	opened := map[string]int{}
	for _, key := range r.Keys(t) {
		body := load(t, r, key)
		if !bytes.HasPrefix(body, []byte("age-encryption.org/v1\n")) {
			continue
		}
		_, err := age.Decrypt(bytes.NewReader(body), ids...)
		kind := strings.Split(key, "/")[2]
		var foreign *age.NoIdentityMatchError
		switch {
		case err == nil:
			opened[kind]++
		case !errors.As(err, &foreign):
			t.Errorf("%s: %v", key, err)
		case kind != "packs":
			t.Errorf("the host cannot open %s", key)
		}
	}
	if opened["packs"] != 0 || opened["indexes"] == 0 || opened["snapshots"] != 1 {
		t.Errorf("the host opens %v", opened)
	}
}
