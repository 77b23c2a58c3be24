package barrier_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/encoding/protowire"

	"holdfast/restore/shamir"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/state"
)

// Old servers have no core/hsm/barrier-unseal-keys: the shares are of the root key
// itself. The entries are a real server's, the shares are made as that server made them.
func TestASealOfBeforeKeysWereStored(t *testing.T) {
	s := theSample(t)
	seal, err := barrier.ReadSeal(bytes.NewReader(s.bin))
	if err != nil {
		t.Fatal(err)
	}
	root, err := seal.Root(s.shares[:3])
	if err != nil {
		t.Fatal(err)
	}
	shares, err := shamir.Split(root, 5, 3, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	list := entries(t, s.bin)
	list = slices.DeleteFunc(list, func(e state.Entry) bool { return e.Key == barrier.SealedKeysKey })
	config := at(t, list, barrier.SealConfigKey)
	config.Value = barrier.WithConfig(config.Value, map[string]any{"stored_shares": 0, "type": ""})
	bin := binOf(list)

	if _, err := unseal(t, bin, shares[:3]).Prove(t.Context(), bytes.NewReader(bin)); err != nil {
		t.Error(err)
	}
	if seal, err = barrier.ReadSeal(bytes.NewReader(bin)); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Unseal(s.shares[:3]); !errors.Is(err, barrier.ErrWrongShares) {
		t.Errorf("other shares: got %v", err)
	}
}

// A server with more than one seal has its root key encrypted by each of them.
func TestASealAmongSeveral(t *testing.T) {
	s := theSample(t)
	list := entries(t, s.bin)
	e := at(t, list, barrier.SealedKeysKey)
	other := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), make([]byte, 100))
	message := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2)
	for _, blob := range [][]byte{other, e.Value} {
		message = protowire.AppendBytes(protowire.AppendTag(message, 2, protowire.BytesType), blob)
	}
	e.Value = append(binary.BigEndian.AppendUint32([]byte("multiwrapvalue:1"), uint32(len(message))), message...)
	bin := binOf(list)
	if _, err := unseal(t, bin, s.shares[:3]).Prove(t.Context(), bytes.NewReader(bin)); err != nil {
		t.Error(err)
	}
}

func TestASealThatIsNotWholeIsNamed(t *testing.T) {
	s := theSample(t)
	without := func(keys ...string) []byte {
		return binOf(slices.DeleteFunc(entries(t, s.bin), func(e state.Entry) bool { return slices.Contains(keys, e.Key) }))
	}
	with := func(key string, change func(value []byte) []byte) []byte {
		list := entries(t, s.bin)
		e := at(t, list, key)
		e.Value = change(e.Value)
		return binOf(list)
	}
	configured := func(changes map[string]any) []byte {
		return with(barrier.SealConfigKey, func(v []byte) []byte { return barrier.WithConfig(v, changes) })
	}
	short := func([]byte) []byte { return []byte("?") }
	for _, c := range []struct {
		name string
		bin  []byte
		want error
	}{
		{"empty", nil, barrier.ErrNoSeal},
		{"no configuration", without(barrier.SealConfigKey), barrier.ErrNoSeal},
		{"no keyring", without(barrier.KeyringKey), barrier.ErrNoSeal},
		{"no stored key", without(barrier.SealedKeysKey), snapshot.ErrDamaged},
		{"a configuration that is no JSON", with(barrier.SealConfigKey, short), snapshot.ErrDamaged},
		{"a threshold of none", configured(map[string]any{"secret_threshold": 0}), snapshot.ErrDamaged},
		{"a threshold above the shares", configured(map[string]any{"secret_threshold": 6}), snapshot.ErrDamaged},
		{"a stored key that is none", with(barrier.SealedKeysKey, short), snapshot.ErrDamaged},
		{"a stored key with a bit turned", with(barrier.SealedKeysKey, func(v []byte) []byte { v[20] ^= 4; return v }), barrier.ErrWrongShares},
		{"a keyring with a bit turned", with(barrier.KeyringKey, func(v []byte) []byte { v[60] ^= 4; return v }), snapshot.ErrDamaged},
		{"a keyring that is none", with(barrier.KeyringKey, short), snapshot.ErrDamaged},
		{"cut", binOf(entries(t, s.bin)[:2])[:20], state.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			seal, err := barrier.ReadSeal(bytes.NewReader(c.bin))
			if err == nil {
				_, err = seal.Unseal(s.shares[:3])
			}
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			tellsNothing(t, err.Error(), s.shares)
		})
	}
}

// What seals the storage is at its beginning, so looking at the shares alone reads little.
func TestReadingTheSealLeavesTheRest(t *testing.T) {
	s := theSample(t)
	broken := errors.New("read too far")
	n := len(s.bin) / 2
	if _, err := barrier.ReadSeal(io.MultiReader(bytes.NewReader(s.bin[:n]), iotest.ErrReader(broken))); err != nil {
		t.Errorf("with half of it: %v", err)
	}
	if _, err := barrier.ReadSeal(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("with nothing of it: %v", err)
	}
}
