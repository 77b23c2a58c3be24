package barrier

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
)

// Encrypt makes a value for key as the server does, for entries that no server at hand would write.
func (k *Keyring) Encrypt(key string, plain []byte) []byte { return k.EncryptAs(2, key, plain) }

// EncryptAs is Encrypt with a version. No other than the second binds the key.
func (k *Keyring) EncryptAs(version byte, key string, plain []byte) []byte {
	var last uint32
	for term := range k.terms {
		last = max(last, term)
	}
	var bound []byte
	if version == 2 {
		bound = []byte(key)
	}
	value := append(binary.BigEndian.AppendUint32(nil, last), version)
	nonce := make([]byte, k.terms[last].NonceSize())
	rand.Read(nonce)
	return k.terms[last].Seal(append(value, nonce...), nonce, plain, bound)
}

// Root returns the root key that s's shares lead to.
func (s *Seal) Root(shares Shares) ([]byte, error) {
	key, err := shares.key(s.Threshold)
	if err != nil {
		return nil, err
	}
	return s.root(key)
}

// Combined returns the key that shares combine into.
func (s Shares) Combined(threshold int) ([]byte, error) { return s.key(threshold) }

// WithConfig returns value, a seal's configuration, with some of it changed.
func WithConfig(value []byte, changes map[string]any) []byte {
	var c map[string]any
	if err := json.Unmarshal(value, &c); err != nil {
		panic(err)
	}
	for name, v := range changes {
		c[name] = v
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return b
}

// Keys of entries that tests look for.
const (
	SealConfigKey = sealConfigKey
	SealedKeysKey = sealedKeysKey
	KeyringKey    = keyringKey
)
