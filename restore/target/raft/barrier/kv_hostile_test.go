package barrier_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"holdfast/fixtures/vaultkv"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/state"
)

// A fork may store entries in another order. Nothing but a second pass is different then.
func TestSecretsOfUnorderedStorageAreWhole(t *testing.T) {
	s := theSample(t)
	list := entries(t, s.bin)
	slices.Reverse(list)
	backwards := kvOf(t, s, binOf(list))
	secret := manyVersions(t, s)
	got, err := backwards.Get(t.Context(), secret.Mount, secret.Path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(secret, asServed(t, secret.Mount, 2, got)); d != "" {
		t.Error(d)
	}
}

func TestAVersionWithoutItsDataIsToldAsLost(t *testing.T) {
	s := theSample(t)
	secret := manyVersions(t, s)
	kept := kvOf(t, s, binOf(slices.DeleteFunc(entries(t, s.bin), func(e state.Entry) bool { return strings.Contains(e.Key, "/versions/") })))
	got, err := kept.Get(t.Context(), secret.Mount, secret.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range got.Versions {
		if v.Lost == v.Destroyed || v.Data != nil {
			t.Errorf("version %d: lost %v, destroyed %v", v.Number, v.Lost, v.Destroyed)
		}
	}
}

func TestADamagedSecretIsNotReturned(t *testing.T) {
	s := theSample(t)
	secret := manyVersions(t, s)
	for _, part := range []string{"/metadata/", "/versions/"} {
		list := entries(t, s.bin)
		for _, e := range list {
			if strings.Contains(e.Key, part) {
				e.Value[len(e.Value)-1] ^= 1
			}
		}
		kv := kvOf(t, s, binOf(list))
		if _, err := kv.Get(t.Context(), secret.Mount, secret.Path); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("%s: got %v", part, err)
		}
	}
	// The end of the stream is damaged, long after the secret.
	kv := kvOf(t, s, s.bin)
	for _, bin := range [][]byte{s.bin[:len(s.bin)-1]} {
		kv, err := s.keyring(t).KV(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(bin)), nil }, kv.Mounts())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Get(t.Context(), secret.Mount, secret.Path); !errors.Is(err, state.ErrMalformed) {
			t.Errorf("cut: got %v", err)
		}
		if _, err := kv.List(t.Context(), secret.Mount, ""); !errors.Is(err, state.ErrMalformed) {
			t.Errorf("cut: got %v", err)
		}
	}
}

func TestAMountThatIsBeingUpgradedIsNotRead(t *testing.T) {
	s := theSample(t)
	k := s.keyring(t)
	secret := manyVersions(t, s)
	for done, want := range []error{barrier.ErrUpgrading, nil} {
		list := entries(t, s.bin)
		changed := 0
		for i, e := range list {
			if strings.HasSuffix(e.Key, "/upgrading") {
				note := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), uint64(done))
				list[i].Value = k.Encrypt(e.Key, note)
				changed++
			}
		}
		if changed == 0 {
			t.Fatal("no mount has a note of its upgrade")
		}
		kv := kvOf(t, s, binOf(list))
		if _, err := kv.Get(t.Context(), secret.Mount, secret.Path); !errors.Is(err, want) {
			t.Errorf("done %d: got %v", done, err)
		}
		if _, err := kv.List(t.Context(), secret.Mount, ""); !errors.Is(err, want) {
			t.Errorf("done %d: got %v", done, err)
		}
	}
}

func TestAReaderThatIsCancelledStops(t *testing.T) {
	s := theSample(t)
	kv := kvOf(t, s, s.bin)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kv.List(ctx, "apps", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	broken := errors.New("no such stream")
	if _, err := s.keyring(t).KV(t.Context(), func() (io.ReadCloser, error) { return nil, broken }, nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// manyVersions returns a secret of the sample with more versions than others, some of them destroyed.
func manyVersions(t *testing.T, s *sample) vaultkv.Secret {
	t.Helper()
	var best vaultkv.Secret
	for _, secret := range s.want {
		destroyed := slices.ContainsFunc(slices.Collect(maps.Values(secret.Versions)), func(v vaultkv.Version) bool { return v.Destroyed })
		if destroyed && len(secret.Versions) > len(best.Versions) {
			best = secret
		}
	}
	if len(best.Versions) < 2 {
		t.Fatal("the sample has no secret with versions")
	}
	return best
}
