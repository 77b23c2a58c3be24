package pack

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
)

// ids names chunks. It is for one goroutine: the HMAC state is kept and reset, so that naming
// a chunk hashes the key no more than once and allocates nothing.
type ids struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

const idInfo = "holdfast format 1 chunk id"

func newIDs(key Key) (*ids, error) {
	// The id key proper is derived, so that the gear table and the ids, which both leak into
	// different places, share nothing.
	k, err := hkdf.Key(sha256.New, key[:], nil, idInfo, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving the chunk id key: %w", err)
	}
	return &ids{mac: hmac.New(sha256.New, k)}, nil
}

func (i *ids) of(chunk []byte) (id ID) {
	i.mac.Reset()
	i.mac.Write(chunk) // never fails (hash.Hash)
	copy(id[:], i.mac.Sum(i.sum[:0]))
	return id
}
