package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

const typeManifest = "holdfast/manifest/1"

// A Manifest is the signed document whose presence is the snapshot. Everything in it is
// public, so it holds no name of a stream, table, file or secret.
type Manifest struct {
	Type       string    `json:"type"`
	Format     int       `json:"format"`
	Repository string    `json:"repository"`
	ID         ID        `json:"id"`
	Vault      string    `json:"vault"`
	Kind       string    `json:"kind"` // of the vault: postgres, sqlite, ...
	Job        string    `json:"job,omitempty"`
	Host       string    `json:"host"`
	Tool       string    `json:"tool"`
	DataAsOf   time.Time `json:"data_as_of"` // the instant that the dump shows
	Started    time.Time `json:"started"`
	Finished   time.Time `json:"finished"`
	Previous   ID        `json:"previous,omitempty"` // the vault's newest snapshot when this run began
	Fence      int64     `json:"fence"`              // the lease's number, rising with every run
	Epoch      string    `json:"epoch"`
	Recipients []string  `json:"recipients"` // fingerprints of who can open it

	Index    []Blob `json:"index"` // the indexes of this run, by number
	Packs    Blob   `json:"packs"`
	Contents Blob   `json:"contents"`
	Totals   Totals `json:"totals"`

	Server   Server            `json:"server"`
	Lock     *LockNote         `json:"lock,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`

	Signer string `json:"-"` // who signed it, once it was read
}

// A Blob is an object that a manifest vouches for.
type Blob struct {
	Size   int64  `json:"size"`
	SHA256 Digest `json:"sha256"`
}

// Totals sum a snapshot up.
type Totals struct {
	Streams     int   `json:"streams"`
	Rows        int64 `json:"rows"`
	PlainBytes  int64 `json:"plain_bytes"`
	StoredBytes int64 `json:"stored_bytes"` // of every object that the snapshot needs
	NewBytes    int64 `json:"new_bytes"`    // of the objects that this run stored
	Chunks      int64 `json:"chunks"`
	NewChunks   int64 `json:"new_chunks"`
	Packs       int   `json:"packs"`
	NewPacks    int   `json:"new_packs"`
}

// A LockNote records the lock that the snapshot's objects were stored under.
type LockNote struct {
	Mode  string    `json:"mode"`
	Until time.Time `json:"until"`
}

// ReadManifest reads and checks one manifest. One that is missing is an error matching
// fs.ErrNotExist; one that is altered, or another snapshot's under this name, is Damage.
func ReadManifest(ctx context.Context, s getter, repository, vault string, id ID, t Trust) (*Manifest, error) {
	b, err := readSmall(ctx, s, ManifestKey(vault, id), maxNote)
	if err != nil {
		return nil, err
	}
	return parseManifest(b, repository, vault, id, t)
}

func parseManifest(b []byte, repository, vault string, id ID, t Trust) (*Manifest, error) {
	m, key := &Manifest{}, ManifestKey(vault, id)
	signer, err := t.openNote(b, m)
	if err != nil {
		return nil, &Damage{Key: key, Cause: err}
	}
	m.Signer = signer
	if m.Type != typeManifest || m.Repository != repository || m.Vault != vault || m.ID != id {
		return nil, Damaged(key, "it belongs to snapshot %s of vault %q", m.ID, m.Vault)
	}
	if err := m.check(); err != nil {
		return nil, &Damage{Key: key, Cause: err}
	}
	return m, nil
}

// check bounds what later code allocates or trusts by.
func (m *Manifest) check() error {
	switch {
	case m.Format != Format:
		return fmt.Errorf("%w %d, this program knows format %d", ErrFormat, m.Format, Format)
	case m.Contents.Size <= 0 || m.Contents.Size > maxContents:
		return fmt.Errorf("contents of %d bytes", m.Contents.Size)
	case m.Packs.Size < 0 || m.Packs.Size > maxPackList:
		return fmt.Errorf("pack list of %d bytes", m.Packs.Size)
	case m.Totals.Streams < 1 || m.Totals.PlainBytes < 0 || m.Totals.Chunks < 0 || m.Totals.Packs < 0:
		return errors.New("impossible totals")
	}
	for _, b := range m.Index {
		if b.Size <= 0 || b.Size > maxIndex {
			return fmt.Errorf("index of %d bytes", b.Size)
		}
	}
	if _, err := ParseID(m.Epoch); err != nil {
		return fmt.Errorf("epoch: %w", err)
	}
	if m.Previous != "" {
		if _, err := ParseID(string(m.Previous)); err != nil {
			return fmt.Errorf("previous: %w", err)
		}
	}
	return nil
}

// Limits on objects, so that a hostile repository cannot fill memory. A contents of 1 GiB
// places 12 million chunks: 800 GB in the smallest chunks, more in larger ones.
const (
	maxContents = 1 << 30
	maxPackList = 256 << 20
	maxIndex    = 256 << 20
)

// CheckBlob compares the stored bytes of key with what a manifest says of them.
func CheckBlob(key string, body []byte, b Blob) error {
	if int64(len(body)) != b.Size {
		return Damaged(key, "%d bytes instead of %d", len(body), b.Size)
	}
	if got := digestOf(body); !bytes.Equal(got[:], b.SHA256[:]) {
		return Damaged(key, "its SHA-256 is %s instead of %s", got, b.SHA256)
	}
	return nil
}

// ReadBlob reads an object that a manifest vouches for, and checks it.
func ReadBlob(ctx context.Context, s getter, key string, b Blob) ([]byte, error) {
	body, err := readSmall(ctx, s, key, b.Size)
	if err != nil {
		return nil, missing(key, err)
	}
	return body, CheckBlob(key, body, b)
}
