package barrier

import (
	"encoding/json"
	"errors"
	"fmt"

	"holdfast/snapshot"
)

var (
	// ErrTooFew means that there are fewer shares than the seal needs.
	ErrTooFew = errors.New("too few unseal shares")
	// ErrWrongShares means that the shares do not open this seal: one of them at least is of another
	// server, of a time before a rekey, or mistyped.
	ErrWrongShares = errors.New("these unseal shares do not open this seal")
	// ErrSealKind means that no shares open the seal: a key service or another server does. Recovery
	// shares, which such servers give out, authorize operators and decrypt nothing.
	ErrSealKind = errors.New("no shares open a seal of this kind")
)

// Unseal opens the seal with s and returns the keys of the storage. Its success proves that these
// shares open this snapshot.
func (s *Seal) Unseal(shares Shares) (*Keyring, error) {
	if s.Type != Shamir {
		return nil, fmt.Errorf("%w: it is %q, and recovery shares decrypt nothing", ErrSealKind, s.Type)
	}
	key, err := shares.key(s.Threshold)
	if err != nil {
		return nil, fmt.Errorf("unsealing: %w", err)
	}
	root, err := s.root(key)
	if err != nil {
		return nil, fmt.Errorf("unsealing: %w", err)
	}
	k, err := newKeyring(root, s.keyring)
	switch {
	case errors.Is(err, ErrUnauthentic) && !s.stored:
		return nil, fmt.Errorf("unsealing: %w", ErrWrongShares) // the key was the root key
	case err != nil:
		return nil, fmt.Errorf("unsealing: %w", snapshot.Damaged(stateName, "entry %q: %w", keyringKey, err))
	}
	if s.stored {
		k.sealed = s.sealed
	}
	return k, nil
}

// root returns the root key. Nothing but the key can tell wrong shares from damage to what they open.
func (s *Seal) root(key []byte) ([]byte, error) {
	if !s.stored {
		return key, nil
	}
	ciphertexts, err := blobs(s.sealed)
	if err != nil {
		return nil, snapshot.Damaged(stateName, "entry %q: %w", sealedKeysKey, err)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrongShares, err)
	}
	for _, c := range ciphertexts {
		if len(c) < aead.NonceSize() {
			continue
		}
		plain, err := aead.Open(nil, c[:aead.NonceSize()], c[aead.NonceSize():], nil)
		if err == nil {
			return rootOf(plain)
		}
	}
	return nil, ErrWrongShares
}

// rootOf reads the list of keys that the seal keeps, of which there is one.
func rootOf(plain []byte) ([]byte, error) {
	var keys [][]byte
	if err := json.Unmarshal(plain, &keys); err != nil || len(keys) != 1 {
		// Authentic, so not damaged; err could quote the key.
		return nil, fmt.Errorf("entry %q does not hold one key: a layout that is not known", sealedKeysKey)
	}
	return keys[0], nil
}
