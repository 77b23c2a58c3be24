package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"holdfast/snapshot/pack"
)

const typeEpoch = "holdfast/epoch/1"

// A Recipient is one public key that may open snapshots, with its canonical text.
type Recipient struct {
	age.Recipient
	Text string
}

// Fingerprint is the first 16 hex digits of the SHA-256 of the recipient's text. Hybrid
// recipients have 2,000 characters; this is what documents and people compare.
func (r Recipient) Fingerprint() string {
	sum := sha256.Sum256([]byte(r.Text))
	return hex.EncodeToString(sum[:8])
}

func fingerprints(rs []Recipient) []string {
	var list []string
	for _, r := range rs {
		list = append(list, r.Fingerprint())
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// An Epoch is the key pair that a vault's packs are encrypted to, in the form it is stored:
// the recipient in the clear, the identity encrypted to the recipients.
type Epoch struct {
	Type       string        `json:"type"`
	Repository string        `json:"repository"`
	Vault      string        `json:"vault"`
	ID         string        `json:"id"`
	Created    time.Time     `json:"created"`
	Chunking   pack.Chunking `json:"chunking"`
	Recipient  string        `json:"recipient"`
	Recipients []string      `json:"recipients"` // fingerprints of who can open Identity
	Identity   string        `json:"identity"`   // armored age file
	Signer     string        `json:"-"`
}

// newEpoch makes a key pair in memory and forgets its identity once it is encrypted to rs. The
// pair is of the recipients' own class: hybrid, or X25519 so that any age can open it.
func newEpoch(repository, vault string, rs []Recipient, c pack.Chunking, now time.Time) (*Epoch, error) {
	if len(rs) == 0 {
		return nil, errors.New("making an epoch: no recipients")
	}
	identity, recipient, err := newPair(rs)
	if err != nil {
		return nil, fmt.Errorf("making an epoch: %w", err)
	}
	armored, err := encryptArmored(identity+"\n", rs)
	if err != nil {
		return nil, fmt.Errorf("encrypting the epoch's identity to its recipients: %w", err)
	}
	return &Epoch{
		Type: typeEpoch, Repository: repository, Vault: vault, ID: string(NewID(now)),
		Created: now.UTC().Truncate(time.Second), Chunking: c,
		Recipient: recipient, Recipients: fingerprints(rs), Identity: armored,
	}, nil
}

func newPair(rs []Recipient) (identity, recipient string, err error) {
	hybrid := slices.ContainsFunc(rs, func(r Recipient) bool { return isHybrid(r.Text) })
	if !hybrid {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return "", "", err
		}
		return id.String(), id.Recipient().String(), nil
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", "", err
	}
	return id.String(), id.Recipient().String(), nil
}

func isHybrid(recipient string) bool { return strings.HasPrefix(recipient, "age1pq1") }

func encryptArmored(text string, rs []Recipient) (string, error) {
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	to := make([]age.Recipient, len(rs))
	for i, r := range rs {
		to[i] = r.Recipient
	}
	w, err := age.Encrypt(a, to...)
	if err != nil {
		return "", err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return "", err
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		return "", err
	}
	return b.String(), nil
}

// ReadEpoch reads and checks one epoch of a vault.
func ReadEpoch(ctx context.Context, s getter, repository, vault, id string, t Trust) (*Epoch, error) {
	e, key := &Epoch{}, EpochKey(vault, id)
	signer, err := readNote(ctx, s, key, t, e)
	if err != nil {
		return nil, missing(key, err)
	}
	e.Signer = signer
	if e.Type != typeEpoch || e.Repository != repository || e.Vault != vault || e.ID != id {
		return nil, Damaged(key, "it belongs to epoch %s of vault %q", e.ID, e.Vault)
	}
	if err := e.Chunking.Check(); err != nil {
		return nil, &Damage{Key: key, Cause: err}
	}
	return e, nil
}

// Unlock opens the epoch's identity with one of ids. If none of them is a recipient's, the
// error matches *age.NoIdentityMatchError.
func (e *Epoch) Unlock(ids ...age.Identity) (age.Identity, error) {
	key := EpochKey(e.Vault, e.ID)
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(e.Identity)), ids...)
	if err != nil {
		return nil, fmt.Errorf("opening epoch %s of %s: %w", e.ID, e.Vault, err)
	}
	text, err := io.ReadAll(io.LimitReader(r, maxNote))
	if err != nil {
		return nil, &Damage{Key: key, Cause: err}
	}
	list, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil || len(list) != 1 {
		return nil, Damaged(key, "its identity is malformed")
	}
	if recipientOf(list[0]) != e.Recipient {
		return nil, Damaged(key, "its identity does not belong to its recipient")
	}
	return list[0], nil
}

func recipientOf(id age.Identity) string {
	switch id := id.(type) {
	case *age.HybridIdentity:
		return id.Recipient().String()
	case *age.X25519Identity:
		return id.Recipient().String()
	}
	return ""
}

func (e *Epoch) hybrid() bool { return isHybrid(e.Recipient) }

// recipient parses the epoch's public side.
func (e *Epoch) recipient() (age.Recipient, error) {
	if e.hybrid() {
		return age.ParseHybridRecipient(e.Recipient)
	}
	return age.ParseX25519Recipient(e.Recipient)
}

// newestEpoch returns the newest epoch of a vault that own trusts, or nil if there is none. A host
// passes its own key alone: a signature only proves who made an epoch, not that its identity
// was forgotten, so a host encrypts to no epoch but those it made itself.
func newestEpoch(ctx context.Context, s Store, repository, vault string, own Trust) (*Epoch, error) {
	var ids []string
	for o, err := range s.List(ctx, EpochsPrefix(vault)) {
		if err != nil {
			return nil, fmt.Errorf("listing epochs: %w", err)
		}
		id := strings.TrimPrefix(o.Key, EpochsPrefix(vault))
		if _, err := ParseID(id); err == nil {
			ids = append(ids, id)
		}
	}
	for _, id := range slices.Backward(ids) {
		e, err := ReadEpoch(ctx, s, repository, vault, id, own)
		if errors.Is(err, ErrDamaged) {
			continue // another host's, or damaged: verification says which
		}
		return e, err
	}
	return nil, nil
}

// storeEpoch signs and stores a new epoch.
func storeEpoch(ctx context.Context, s Store, e *Epoch, signer Signer, lock Lock) error {
	b, err := sign(e, signer)
	if err != nil {
		return fmt.Errorf("signing the epoch: %w", err)
	}
	err = s.Put(ctx, EpochKey(e.Vault, e.ID), b, PutOptions{Lock: lock})
	if errors.Is(err, fs.ErrExist) {
		err = samebody(ctx, s, EpochKey(e.Vault, e.ID), b)
	}
	if err != nil {
		return fmt.Errorf("storing the epoch: %w", err)
	}
	return nil
}

// samebody settles a Put that found its key taken: an earlier try of the same Put may have
// stored it and lost the answer. Anything else under the key is an error.
func samebody(ctx context.Context, s getter, key string, body []byte) error {
	b, err := readSmall(ctx, s, key, int64(len(body)))
	if err != nil {
		return err
	}
	if !bytes.Equal(b, body) {
		return fmt.Errorf("storing %s: %w with other contents", key, fs.ErrExist)
	}
	return nil
}
