package barrier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/state"
	"holdfast/snapshot/source/raft/state/statetest"
)

func TestATurnedBitInAnyEntryIsDamageThatNamesIt(t *testing.T) {
	s := theSample(t)
	k := s.keyring(t)
	list := small(t, s)
	for i, e := range list {
		if slices.Contains(entriesInTheClear, e.Key) {
			continue
		}
		bit := rand.IntN(8 * len(e.Value))
		e.Value[bit/8] ^= 1 << (bit % 8)
		_, err := k.Prove(t.Context(), bytes.NewReader(binOf(list)))
		e.Value[bit/8] ^= 1 << (bit % 8)
		if !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("%q", e.Key)) {
			t.Fatalf("bit %d of entry %d, %s: got %v", bit, i, e.Key, err)
		}
	}
}

// Nothing authenticates the term in front of the keyring, and no key is chosen by it.
func TestAKeyringOfAnotherTermIsDamage(t *testing.T) {
	s := theSample(t)
	k := s.keyring(t)
	list := small(t, s)
	e := at(t, list, barrier.KeyringKey)
	for bit := range 32 {
		e.Value[bit/8] ^= 1 << (bit % 8)
		_, err := k.Prove(t.Context(), bytes.NewReader(binOf(list)))
		e.Value[bit/8] ^= 1 << (bit % 8)
		if !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("%q", e.Key)) {
			t.Errorf("bit %d: got %v", bit, err)
		}
	}
}

// Two values that are authentic each, but at the other's key.
func TestSwappedValuesAreDamage(t *testing.T) {
	s := theSample(t)
	list := small(t, s)
	var policies []int
	for i, e := range list {
		if strings.HasPrefix(e.Key, "sys/policy/") {
			policies = append(policies, i)
		}
	}
	a, b := policies[0], policies[1]
	list[a].Value, list[b].Value = list[b].Value, list[a].Value
	_, err := s.keyring(t).Prove(t.Context(), bytes.NewReader(binOf(list)))
	if !errors.Is(err, snapshot.ErrDamaged) {
		t.Fatalf("got %v", err)
	}
}

func TestEntriesThatProveNothingAreDamage(t *testing.T) {
	s := theSample(t)
	k := s.keyring(t)
	for _, c := range []struct {
		name, key string
		value     []byte
	}{
		{"in the clear where nothing is", "core/unknown", []byte("in the clear, and long enough to be more")},
		{"in the clear beside one that is", "core/lock2", []byte("in the clear, and long enough to be more")},
		{"empty", "sys/empty", nil},
		{"short", "sys/short", []byte{0, 0, 0, 1, 2, 3}},
		{"of a term that is not there", "sys/term", append([]byte{0, 0, 0, 9, 2}, make([]byte, 60)...)},
		{"of a version that is not known", "sys/version", append([]byte{0, 0, 0, 1, 3}, make([]byte, 60)...)},
		{"of a version that is not known, and right but for that", "sys/later", k.EncryptAs(3, "sys/later", []byte("x"))},
		{"of another key", "sys/other", k.Encrypt("sys/another", []byte("x"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			bin := statetest.Append(bytes.Clone(s.bin), state.Entry{Key: c.key, Value: c.value})
			_, err := k.Prove(t.Context(), bytes.NewReader(bin))
			if !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("%q", c.key)) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestAStorageWithoutWhatSealedItProvesNothing(t *testing.T) {
	s := theSample(t)
	k := s.keyring(t)
	for _, key := range []string{barrier.KeyringKey, barrier.SealedKeysKey} {
		list := slices.DeleteFunc(small(t, s), func(e state.Entry) bool { return e.Key == key })
		if _, err := k.Prove(t.Context(), bytes.NewReader(binOf(list))); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("without %s: got %v", key, err)
		}
	}
	if _, err := k.Prove(t.Context(), strings.NewReader("")); !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("nothing at all: got %v", err)
	}
}

func TestWhatKeepsAProofFromItsEndComesOut(t *testing.T) {
	s := theSample(t)
	k := s.keyring(t)
	before := runtime.NumGoroutine()
	altered := snapshot.Damaged("packs/x", "it was altered")
	for n := 0; n < len(s.bin); n += len(s.bin)/7 + 1 {
		r := io.MultiReader(bytes.NewReader(s.bin[:n]), iotest.ErrReader(altered))
		if _, err := k.Prove(t.Context(), r); !errors.Is(err, altered) {
			t.Errorf("after %d bytes: got %v", n, err)
		}
	}
	if _, err := k.Prove(t.Context(), bytes.NewReader(s.bin[:len(s.bin)-1])); !errors.Is(err, state.ErrMalformed) {
		t.Errorf("cut: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Prove(ctx, bytes.NewReader(s.bin)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines stayed", runtime.NumGoroutine()-before)
		}
	}
}

// small returns the sample's entries but for most of its secrets.
func small(t *testing.T, s *sample) []state.Entry {
	n := 0
	return slices.DeleteFunc(entries(t, s.bin), func(e state.Entry) bool {
		if !strings.HasPrefix(e.Key, "logical/") {
			return false
		}
		n++
		return n%300 != 0
	})
}
