package shamir_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"slices"
	"testing"

	"holdfast/restore/shamir"
)

// A server of Vault 1.21 gave these shares at its initialization, of which three are needed. It was made
// for that and its storage is gone.
var given = []string{
	"e8b2d9a9df5700afefd99f3d6971c8b08b74932a75bcf6d78302694963ecafdf46",
	"7e9f0cb09a0fe9d75f966869aadcc1756ca3e8cb581a2342133f32e076fb475f95",
	"2696ed00a6d3d8a86bd341721ff97b6e1883ec409f629e043f78287ab2ee42977b",
	"64c7da7d80ba33a4a117d2deffe3dac6bde7fdb978aa86a3b10f83e691f1f6ad53",
	"4def460c217e345b30426df1dfc1f83b3c04a2e6302421c95aecc8cb2bf66bea23",
}

const (
	// combined is their secret as another implementation, with tables of logarithms, has it.
	combined = "86342a678862f7e17c3431b9a92f88b4615ba50ce83944f6886e05f31589f6c4"
	// sealed is what that server had encrypted with it: a nonce, and what AES-GCM made.
	sealed = "a8a8a7dfe16c982256a4ad90cfb1e18504ff218618bfd17ee02b77345f24923988247d5f93380e0655b9c348c802548e830d" +
		"9fb03e2d139c5c852982a56d2158ab0c3eee47811ca158171c4b"
)

func TestSharesOfARealServerCombine(t *testing.T) {
	var sets int
	for i := range given {
		for j := range i {
			for k := range j {
				got, err := shamir.Combine([][]byte{unhex(t, given[i]), unhex(t, given[j]), unhex(t, given[k])})
				if err != nil {
					t.Fatal(err)
				}
				if hex.EncodeToString(got) != combined {
					t.Errorf("shares %d, %d and %d give another secret", i, j, k)
				}
				sets++
			}
		}
	}
	if sets != 10 {
		t.Fatalf("%d sets of three", sets)
	}
	block, err := aes.NewCipher(unhex(t, combined))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	value := unhex(t, sealed)
	if _, err := gcm.Open(nil, value[:12], value[12:], nil); err != nil {
		t.Errorf("opening what the server sealed: %v", err)
	}
}

// The other way round: shares made here have the layout that the server's have.
func TestSharesHaveTheLayoutOfTheServers(t *testing.T) {
	shares, err := shamir.Split(unhex(t, combined), 5, 3, &rising{})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range shares {
		if len(s) != 33 || s[32] != byte(i+1) { // rising gives 0, which is no x, and then 1, 2, ...
			t.Errorf("share %d has %d bytes and ends in %d", i, len(s), s[len(s)-1])
		}
	}
	got, err := shamir.Combine(slices.Concat(shares[4:], shares[:2]))
	if err != nil || hex.EncodeToString(got) != combined {
		t.Errorf("they give another secret: %v", err)
	}
}

// rising is random only in name: 0, 1, 2 and so on.
type rising struct{ next byte }

func (r *rising) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = r.next
		r.next++
	}
	return len(b), nil
}
