package snapshot

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"filippo.io/age"

	"holdfast/snapshot/pack"
)

const typeIndex = "holdfast/index/1"

// An index says which chunks are in some of the packs that a run wrote. The host that wrote
// it can open it, and so can whoever opens the epoch. A line under the JSON authenticates it
// with the vault's chunk key: age alone would not tell who wrote it.
type index struct {
	Type  string      `json:"type"`
	Vault string      `json:"vault"`
	Epoch string      `json:"epoch"`
	Run   ID          `json:"run"`
	N     int         `json:"n"`
	Packs []indexPack `json:"packs"`
	// Live is in the last index of a run that was committed: how many bytes of each pack its
	// snapshot uses. The next run stores the chunks of a mostly dead pack afresh.
	Live map[Digest]int64 `json:"live,omitempty"`
}

type indexPack struct {
	Pack   Digest    `json:"pack"`
	Size   int64     `json:"size"`
	Chunks chunkList `json:"chunks"` // Ref.Pack is the position in Packs
}

// encodeIndex encrypts x to both of its readers.
func encodeIndex(x *index, key pack.Key, to ...age.Recipient) ([]byte, error) {
	text, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	text = fmt.Appendf(text, "\n%x\n", indexMAC(key, text))
	return pack.Encrypt(text, to...)
}

// decodeIndex opens an index and checks who wrote it.
func decodeIndex(body []byte, key pack.Key, ids ...age.Identity) (*index, error) {
	text, err := pack.Decrypt(bytes.NewReader(body), maxIndex, ids...)
	if err != nil {
		return nil, err
	}
	doc, tail, ok := bytes.Cut(text, []byte("\n"))
	mac, err := hex.DecodeString(string(bytes.TrimSuffix(tail, []byte("\n"))))
	if !ok || err != nil || !hmac.Equal(mac, indexMAC(key, doc)) {
		return nil, errForeignIndex
	}
	x := &index{}
	if err := json.Unmarshal(doc, x); err != nil {
		return nil, fmt.Errorf("decoding an index: %w", err)
	}
	return x, nil
}

// errForeignIndex means that an index was written with another chunk key.
var errForeignIndex = errors.New("its authentication code is wrong")

func indexMAC(key pack.Key, text []byte) []byte {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("holdfast format 1 index\n"))
	h.Write(text)
	return h.Sum(nil)
}

// CheckIndex proves one index of m: that it opens, is authentic and belongs where it lies.
func CheckIndex(body []byte, m *Manifest, n int, key pack.Key, epoch age.Identity) error {
	x, err := decodeIndex(body, key, epoch)
	if err != nil {
		return &Damage{Key: IndexKey(m.Vault, m.ID, n), Cause: err}
	}
	if err := x.belongs(m.Vault, m.ID, n); err != nil {
		return &Damage{Key: IndexKey(m.Vault, m.ID, n), Cause: err}
	}
	return nil
}

func (x *index) belongs(vault string, run ID, n int) error {
	if x.Type != typeIndex || x.Vault != vault || x.Run != run || x.N != n {
		return fmt.Errorf("it belongs to run %s of vault %q, number %d", x.Run, x.Vault, x.N)
	}
	return nil
}
