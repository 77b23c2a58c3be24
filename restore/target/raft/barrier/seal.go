package barrier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/state"
)

// Keys of entries that lead to the keyring.
const (
	sealConfigKey = "core/seal-config"             // JSON in the clear
	sealedKeysKey = "core/hsm/barrier-unseal-keys" // the root key, encrypted by the seal
	keyringKey    = "core/keyring"                 // encrypted with the root key
)

// stateName is what an error calls the stream that is damaged.
const stateName = "state.bin"

// A Seal is what a state.bin says of its seal, and what the seal keeps. Nothing in it is secret.
type Seal struct {
	Type      string // "shamir", or what unseals the server by itself: "awskms", "transit", ...
	Shares    int    // with another type than shamir, how many recovery shares there are is not known here
	Threshold int

	stored  bool   // sealed is there: the shares give the key that opens it, not the root key itself
	sealed  []byte // value at sealedKeysKey
	keyring []byte // value at keyringKey
}

// Shamir is the type of a seal that unseal shares open.
const Shamir = "shamir"

// ErrNoSeal means that a state.bin has nothing that shares could open: a server that was not
// initialized, or no server's storage at all.
var ErrNoSeal = errors.New("no seal found")

// ReadSeal reads what it needs of a state.bin and leaves the rest.
func ReadSeal(r io.Reader) (*Seal, error) {
	var (
		s      Seal
		config []byte
		from   = state.NewReader(r)
	)
	for config == nil || s.keyring == nil || s.sealed == nil {
		e, err := from.Next()
		if err == io.EOF {
			break // a seal of long ago keeps nothing at sealedKeysKey
		}
		if err != nil {
			return nil, fmt.Errorf("reading the seal: %w", err)
		}
		switch e.Key {
		case sealConfigKey:
			config = bytes.Clone(e.Value)
		case sealedKeysKey:
			s.sealed = bytes.Clone(e.Value)
		case keyringKey:
			s.keyring = bytes.Clone(e.Value)
		}
	}
	if err := s.configure(config); err != nil {
		return nil, fmt.Errorf("reading the seal: %w", err)
	}
	return &s, nil
}

// configure takes in core/seal-config and looks whether all is there that it calls for.
func (s *Seal) configure(config []byte) error {
	if config == nil {
		return fmt.Errorf("%w: there is no %s", ErrNoSeal, sealConfigKey)
	}
	var c struct {
		Type      string `json:"type"`
		Shares    int    `json:"secret_shares"`
		Threshold int    `json:"secret_threshold"`
		Stored    int    `json:"stored_shares"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return snapshot.Damaged(stateName, "entry %q: %w", sealConfigKey, err)
	}
	if c.Type == "" {
		c.Type = Shamir // by servers that knew no other
	}
	s.Type, s.Shares, s.Threshold, s.stored = c.Type, c.Shares, c.Threshold, c.Stored > 0
	switch {
	case s.keyring == nil:
		return fmt.Errorf("%w: there is no %s", ErrNoSeal, keyringKey)
	case s.Type != Shamir:
		return nil
	case s.Threshold < 1 || s.Shares < s.Threshold:
		return snapshot.Damaged(stateName, "entry %q: %d shares of which %d are needed", sealConfigKey, s.Shares, s.Threshold)
	case s.stored && s.sealed == nil:
		return snapshot.Damaged(stateName, "there is no entry %q, which the seal calls for", sealedKeysKey)
	}
	return nil
}
