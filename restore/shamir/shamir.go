package shamir

import (
	"errors"
	"fmt"
	"io"
)

// MaxParts is how many shares a set can have: one for each x that is not zero.
const MaxParts = 255

// Combine returns the secret that shares were split from. It takes at least two, all of one length,
// and any number above the threshold. Only what is wrong in form is an error (see the package).
func Combine(shares [][]byte) ([]byte, error) {
	if err := check(shares); err != nil {
		return nil, fmt.Errorf("combining %d shares: %w", len(shares), err)
	}
	weights := weights(shares)
	secret := make([]byte, len(shares[0])-1)
	for i, share := range shares {
		for j := range secret {
			secret[j] ^= mul(share[j], weights[i])
		}
	}
	return secret, nil
}

// Split splits secret into parts shares, any threshold of which combine into it. The bytes that keep
// it secret come from random, which is crypto/rand.Reader outside of tests.
func Split(secret []byte, parts, threshold int, random io.Reader) ([][]byte, error) {
	switch {
	case len(secret) == 0:
		return nil, errors.New("splitting a secret: it is empty")
	case threshold < 2 || threshold > parts || parts > MaxParts:
		return nil, fmt.Errorf("splitting a secret into %d shares of which %d are needed: use 2 to %d shares, and as many of them or fewer, but two",
			parts, threshold, MaxParts)
	}
	xs, err := coordinates(parts, random)
	if err != nil {
		return nil, fmt.Errorf("splitting a secret: %w", err)
	}
	shares := make([][]byte, parts)
	for i := range shares {
		shares[i] = make([]byte, len(secret)+1)
		shares[i][len(secret)] = xs[i]
	}
	polynomial := make([]byte, threshold) // the constant first
	defer clear(polynomial)
	for j, b := range secret {
		polynomial[0] = b
		if _, err := io.ReadFull(random, polynomial[1:]); err != nil {
			return nil, fmt.Errorf("splitting a secret: reading random bytes: %w", err)
		}
		for i, x := range xs {
			shares[i][j] = evaluate(polynomial, x)
		}
	}
	return shares, nil
}

// check looks at the form of shares.
func check(shares [][]byte) error {
	if len(shares) < 2 {
		return errors.New("it takes two at least")
	}
	var seen [256]bool
	size := len(shares[0])
	for i, s := range shares {
		switch {
		case len(s) != size:
			return fmt.Errorf("share %d has %d bytes and the first has %d", i+1, len(s), size)
		case size < 2:
			return fmt.Errorf("share %d has %d bytes", i+1, size)
		case s[size-1] == 0:
			return fmt.Errorf("share %d is not a share: its last byte is zero", i+1)
		case seen[s[size-1]]:
			return fmt.Errorf("share %d is of the same number as one before it", i+1)
		}
		seen[s[size-1]] = true
	}
	return nil
}

// weights returns what the y of each share counts for at x = 0: the product of x'/(x' - x) over the other x'.
func weights(shares [][]byte) []byte {
	last := len(shares[0]) - 1
	weights := make([]byte, len(shares))
	for i, a := range shares {
		weights[i] = 1
		for j, b := range shares {
			if i != j {
				weights[i] = mul(weights[i], mul(b[last], inverse(b[last]^a[last])))
			}
		}
	}
	return weights
}

// coordinates returns n different bytes other than zero, in an order that random gives.
func coordinates(n int, random io.Reader) ([]byte, error) {
	xs := make([]byte, 0, n)
	var seen [256]bool
	seen[0] = true
	for len(xs) < n {
		var b [1]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return nil, fmt.Errorf("reading random bytes: %w", err)
		}
		if !seen[b[0]] {
			seen[b[0]] = true
			xs = append(xs, b[0])
		}
	}
	return xs, nil
}

// evaluate returns the polynomial's value at x, by Horner's rule.
func evaluate(polynomial []byte, x byte) byte {
	var y byte
	for i := len(polynomial) - 1; i >= 0; i-- {
		y = mul(y, x) ^ polynomial[i]
	}
	return y
}
