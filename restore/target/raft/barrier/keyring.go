package barrier

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"holdfast/snapshot/source/raft/state"
)

// ErrUnauthentic means that a value is not what the server encrypted at its key.
var ErrUnauthentic = errors.New("its value is not authentic")

// A Keyring has the keys that a server's storage is encrypted with, all terms of them. It prints
// as nothing but its name. Its methods may be called concurrently.
type Keyring struct {
	terms  map[uint32]cipher.AEAD // by term, a number that rises with each rotation
	root   cipher.AEAD            // which the keyring itself is encrypted with
	sealed []byte                 // what the shares opened, nil with a seal that keeps nothing
}

// Open decrypts the value of e. The error matches ErrUnauthentic unless it is what the
// server wrote at this key.
func (k *Keyring) Open(e state.Entry) ([]byte, error) {
	plain, err := k.open(nil, e)
	if err != nil {
		return nil, fmt.Errorf("decrypting entry %q: %w", e.Key, err)
	}
	return plain, nil
}

// Terms returns how many keys there are.
func (k *Keyring) Terms() int { return len(k.terms) }

// open appends the plaintext of e to dst.
func (k *Keyring) open(dst []byte, e state.Entry) ([]byte, error) {
	if len(e.Value) < termSize {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrUnauthentic, len(e.Value))
	}
	if e.Key == keyringKey {
		return openKeyring(dst, k.root, e.Value)
	}
	term := binary.BigEndian.Uint32(e.Value)
	aead, ok := k.terms[term]
	if !ok {
		return nil, fmt.Errorf("%w: there is no key of term %d", ErrUnauthentic, term)
	}
	return openValue(dst, aead, e.Key, e.Value)
}

// A value is the term of its key, a version, a nonce, and what AES-GCM made. From version 2 on, the
// key it is stored at is authenticated with it.
const termSize, headSize, firstTerm = 4, 4 + 1, 1

func openValue(dst []byte, aead cipher.AEAD, key string, value []byte) ([]byte, error) {
	if len(value) < headSize+aead.NonceSize()+aead.Overhead() {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrUnauthentic, len(value))
	}
	var bound []byte
	switch version := value[termSize]; version {
	case 1:
	case 2:
		bound = []byte(key)
	default:
		return nil, fmt.Errorf("%w: it is of version %d", ErrUnauthentic, version)
	}
	value = value[headSize:]
	plain, err := aead.Open(dst, value[:aead.NonceSize()], value[aead.NonceSize():], bound)
	if err != nil {
		return nil, ErrUnauthentic
	}
	return plain, nil
}

// openKeyring opens the value at keyringKey. The key of that is of no term. Servers write the first one always,
// and refuse any other; nothing that is authenticated says so.
func openKeyring(dst []byte, root cipher.AEAD, value []byte) ([]byte, error) {
	if len(value) >= termSize && binary.BigEndian.Uint32(value) != firstTerm {
		return nil, fmt.Errorf("%w: it is of term %d", ErrUnauthentic, binary.BigEndian.Uint32(value))
	}
	return openValue(dst, root, keyringKey, value)
}

// newKeyring opens the value at keyringKey with the root key.
func newKeyring(root, value []byte) (*Keyring, error) {
	aead, err := newAEAD(root)
	if err != nil {
		return nil, err
	}
	plain, err := openKeyring(nil, aead, value)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	var content struct {
		Keys []struct {
			Term  uint32
			Value []byte
		}
	}
	if err := json.Unmarshal(plain, &content); err != nil || len(content.Keys) == 0 {
		return nil, errors.New("it holds no keys: a layout that is not known") // err could quote one
	}
	k := &Keyring{root: aead, terms: make(map[uint32]cipher.AEAD, len(content.Keys))}
	for _, key := range content.Keys {
		if k.terms[key.Term], err = newAEAD(key.Value); err != nil {
			return nil, fmt.Errorf("the key of term %d: %w", key.Term, err)
		}
	}
	return k, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("using a key: %w", err)
	}
	return cipher.NewGCM(block)
}

func (k *Keyring) String() string { return "[keyring]" }

// GoString implements fmt.GoStringer.
func (k *Keyring) GoString() string { return k.String() }

// Format implements fmt.Formatter, so that verbs that pass over String tell no more than it.
func (k *Keyring) Format(f fmt.State, _ rune) { hide(f, k.String()) }

// LogValue implements slog.LogValuer.
func (k *Keyring) LogValue() slog.Value { return slog.StringValue(k.String()) }
