package shamir_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast/restore/shamir"
)

func TestAnyThresholdOfSharesGivesTheSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "secret")
		parts := rapid.IntRange(2, 20).Draw(t, "parts")
		threshold := rapid.IntRange(2, parts).Draw(t, "threshold")
		shares, err := shamir.Split(secret, parts, threshold, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(threshold, parts).Draw(t, "given")
		given := rapid.Permutation(shares).Draw(t, "order")[:n]
		got, err := shamir.Combine(given)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, secret) {
			t.Fatalf("%d of %d shares of threshold %d give another secret", n, parts, threshold)
		}
	})
}

// With one share less, every secret is possible: for each there is a share that would give it. So what
// fewer shares combine into is the secret by chance alone, which is tried on 16 bytes.
func TestFewerSharesThanTheThresholdGiveAnotherSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 16, 64).Draw(t, "secret")
		parts := rapid.IntRange(3, 20).Draw(t, "parts")
		threshold := rapid.IntRange(3, parts).Draw(t, "threshold")
		shares, err := shamir.Split(secret, parts, threshold, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(2, threshold-1).Draw(t, "given")
		got, err := shamir.Combine(rapid.Permutation(shares).Draw(t, "order")[:n])
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(got, secret) {
			t.Fatalf("%d shares gave the secret, and %d are needed", n, threshold)
		}
	})
}

func TestAllSharesThatThereCanBe(t *testing.T) {
	secret := []byte("thirty-two bytes of a root key..")
	shares, err := shamir.Split(secret, shamir.MaxParts, shamir.MaxParts, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := shamir.Combine(shares)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, secret) {
		t.Fatal("255 shares give another secret")
	}
}

func TestSharesOfWrongFormAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		shares []string
		want   string
	}{
		{"none", nil, "two at least"},
		{"one", []string{"aa01"}, "two at least"},
		{"of two lengths", []string{"aabb01", "aa02"}, "has 2 bytes"},
		{"without a secret", []string{"01", "02"}, "has 1 bytes"},
		{"empty", []string{"", ""}, "has 0 bytes"},
		{"without a number", []string{"aa01", "aa00"}, "last byte is zero"},
		{"twice", []string{"aa01", "bb02", "aa01"}, "share 3 is of the same number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var shares [][]byte
			for _, s := range c.shares {
				shares = append(shares, unhex(t, s))
			}
			_, err := shamir.Combine(shares)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestASplitThatMakesNoSenseIsRefused(t *testing.T) {
	for _, c := range []struct{ secret, parts, threshold int }{
		{0, 5, 3}, {32, 5, 1}, {32, 5, 0}, {32, 2, 3}, {32, 256, 3}, {32, 0, 0},
	} {
		if _, err := shamir.Split(make([]byte, c.secret), c.parts, c.threshold, rand.Reader); err == nil {
			t.Errorf("split %d bytes into %d shares of threshold %d", c.secret, c.parts, c.threshold)
		}
	}
}

func TestWithoutRandomBytesNothingIsSplit(t *testing.T) {
	for n := range 40 {
		random := io.LimitReader(rand.Reader, int64(n))
		_, err := shamir.Split(make([]byte, 32), 5, 3, random)
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("with %d random bytes: got %v", n, err)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
