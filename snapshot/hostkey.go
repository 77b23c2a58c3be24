package snapshot

import (
	"bufio"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"holdfast/snapshot/pack"
)

// A HostKey is what a host needs to take snapshots. It signs them, opens the indexes and contents
// it wrote itself, and recognises chunks that are stored already. It opens no pack, so it reads
// nothing that was backed up.
type HostKey struct {
	Signer Signer
	index  []age.Identity // hybrid and X25519: age does not mix the two in one file
	chunks [32]byte       // the secret that the vaults' id keys come from
	lines  []string
}

// NewHostKey makes a key for the host of that name, which signs as name. The name must not
// hold spaces or plus signs.
func NewHostKey(name string) (*HostKey, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("making an index key: %w", err)
	}
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("making an index key: %w", err)
	}
	var chunks [32]byte
	rand.Read(chunks[:])
	lines := []string{
		"# Holdfast host key of " + name + ". It signs snapshots and finds chunks that are stored already.",
		"# It opens no data of a snapshot. Keep it on this host, readable by the backup user only.",
		"# verifier: " + vkey,
		"sign " + skey,
		"index " + hybrid.String(),
		"index " + classic.String(),
		"chunks " + base64.StdEncoding.EncodeToString(chunks[:]),
	}
	return ParseHostKey(strings.NewReader(strings.Join(lines, "\n") + "\n"))
}

// ParseHostKey reads a host key as String writes it. No error quotes a secret.
func ParseHostKey(r io.Reader) (*HostKey, error) {
	h := &HostKey{}
	verifier := ""
	s := bufio.NewScanner(io.LimitReader(r, maxNote))
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		h.lines = append(h.lines, line)
		if v, ok := strings.CutPrefix(line, "# verifier: "); ok {
			verifier = v
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if err := h.parse(line); err != nil {
			return nil, fmt.Errorf("reading host key, line %d: %w", n, err)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("reading host key: %w", err)
	}
	if h.Signer.Signer == nil || len(h.index) == 0 || h.chunks == [32]byte{} {
		return nil, errors.New("reading host key: it needs a sign, an index and a chunks line")
	}
	return h, h.pair(verifier)
}

func (h *HostKey) parse(line string) error {
	word, value, _ := strings.Cut(line, " ")
	switch word {
	case "sign":
		s, err := note.NewSigner(value)
		if err != nil {
			return errors.New("malformed signing key")
		}
		h.Signer.Signer = s
	case "index":
		ids, err := age.ParseIdentities(strings.NewReader(value))
		if err != nil {
			return errors.New("malformed index identity")
		}
		h.index = append(h.index, ids...)
	case "chunks":
		b, err := base64.StdEncoding.DecodeString(value)
		if err != nil || len(b) != len(h.chunks) {
			return errors.New("malformed chunks key")
		}
		copy(h.chunks[:], b)
	default:
		return errors.New("unknown word")
	}
	return nil
}

// pair checks that the verifier belongs to the signing key, so that a trust list copied from
// this file works.
func (h *HostKey) pair(verifier string) error {
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return errors.New("reading host key: its verifier comment is missing or malformed")
	}
	msg := []byte("holdfast host key")
	sig, err := h.Signer.Sign(msg)
	if err != nil || !v.Verify(msg, sig) || v.Name() != h.Signer.Name() || v.KeyHash() != h.Signer.KeyHash() {
		return errors.New("reading host key: its verifier comment does not belong to its signing key")
	}
	h.Signer.Verifier = verifier
	return nil
}

// Text is the file form of the key. It is secret.
func (h *HostKey) Text() string { return strings.Join(h.lines, "\n") + "\n" }

// String keeps the key out of logs.
func (h *HostKey) String() string { return "[host key of " + h.Signer.Name() + "]" }

// GoString keeps the key out of %#v.
func (h *HostKey) GoString() string { return h.String() }

// Contents reads the contents of a snapshot that this host took. Of those of another host the error
// matches *age.NoIdentityMatchError.
func (h *HostKey) Contents(ctx context.Context, s getter, m *Manifest) (*Contents, error) {
	return ReadContents(ctx, s, m, h.index...)
}

// idKey is the chunk key of one epoch of one vault. A new epoch cuts and names chunks afresh.
func (h *HostKey) idKey(repository, vault, epoch string) pack.Key {
	info := "holdfast format 1 id key\n" + repository + "\n" + vault + "\n" + epoch
	b, err := hkdf.Key(sha256.New, h.chunks[:], nil, info, 32)
	if err != nil {
		panic(err) // only for lengths that SHA-256 cannot give
	}
	return pack.Key(b)
}

// indexRecipient is the host's own recipient of the epoch's class.
func (h *HostKey) indexRecipient(hybrid bool) (age.Recipient, error) {
	for _, id := range h.index {
		switch id := id.(type) {
		case *age.HybridIdentity:
			if hybrid {
				return id.Recipient(), nil
			}
		case *age.X25519Identity:
			if !hybrid {
				return id.Recipient(), nil
			}
		}
	}
	return nil, errors.New("the host key has no index identity of this epoch's class")
}
