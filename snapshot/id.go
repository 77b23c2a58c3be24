package snapshot

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"time"
)

// An ID names a snapshot: the UTC start of its dump and eight random hex digits, such as
// 20261122T020000Z-7f3a9c12. IDs sort by time and are never reused.
type ID string

const idTime = "20060102T150405Z"

var idPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$`)

// NewID returns a fresh ID for a dump that starts at t.
func NewID(t time.Time) ID {
	var b [4]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return ID(t.UTC().Format(idTime) + "-" + hex.EncodeToString(b[:]))
}

// ParseID checks that s has the form of an ID.
func ParseID(s string) (ID, error) {
	if !idPattern.MatchString(s) {
		return "", fmt.Errorf("%q is not a snapshot id", s)
	}
	if _, err := time.Parse(idTime, s[:len(idTime)]); err != nil {
		return "", fmt.Errorf("%q is not a snapshot id", s)
	}
	return ID(s), nil
}

// Time is the start that id names. A malformed id gives the zero time.
func (id ID) Time() time.Time {
	if len(id) < len(idTime) {
		return time.Time{}
	}
	t, err := time.Parse(idTime, string(id[:len(idTime)]))
	if err != nil {
		return time.Time{}
	}
	return t
}

// A Digest is a SHA-256 that reads and writes as 64 lower-case hex digits.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Anything but 64 lower-case hex digits
// is an error, so that one digest has one spelling.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) != 2*len(d) {
		return fmt.Errorf("digest of %d characters instead of %d", len(b), 2*len(d))
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("digest %q is not lower-case hex", b)
		}
	}
	_, err := hex.Decode(d[:], b)
	return err
}

var vaultPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckVault checks that name can name a vault: 1 to 63 lower-case letters, digits, dots,
// dashes and underscores, the first a letter or digit.
func CheckVault(name string) error {
	if !vaultPattern.MatchString(name) {
		return fmt.Errorf("vault name %q: use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit", name)
	}
	return nil
}
