package snapshot

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// maxNote bounds every signed note that is read from a repository.
const maxNote = 64 << 10

// ErrUntrusted means a signed document has no signature by a trusted signer.
var ErrUntrusted = errors.New("no signature by a trusted signer")

// A Signer signs notes. Its verifier key is public and belongs in the trust list of
// everyone who reads what it signs.
type Signer struct {
	note.Signer
	Verifier string
}

// A Trust holds the signers whose notes count. The zero Trust trusts nobody.
type Trust struct{ list note.Verifiers }

// NewTrust trusts the signers with these verifier keys (name+hash+key).
func NewTrust(keys ...string) (Trust, error) {
	var list []note.Verifier
	seen := map[string]bool{}
	for _, k := range keys {
		if seen[k] {
			continue // the same key twice would make note.Open call it ambiguous
		}
		seen[k] = true
		v, err := note.NewVerifier(k)
		if err != nil {
			return Trust{}, fmt.Errorf("reading trusted signer %q: %w", k, err)
		}
		list = append(list, v)
	}
	return Trust{note.VerifierList(list...)}, nil
}

// sign writes doc as a signed note: one line of JSON and the signature under it.
func sign(doc any, s Signer) ([]byte, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	b, err := note.Sign(&note.Note{Text: string(text) + "\n"}, s)
	if err == nil && len(b) > maxNote {
		err = fmt.Errorf("signed document of %d bytes is over the limit of %d", len(b), maxNote)
	}
	return b, err
}

// openNote checks the signature of b and decodes its JSON line into doc. It returns
// the name of the signer.
func (t Trust) openNote(b []byte, doc any) (string, error) {
	if t.list == nil {
		t.list = note.VerifierList()
	}
	n, err := note.Open(b, t.list)
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return "", fmt.Errorf("%w (signed by %s)", ErrUntrusted, signers(unverified.Note))
	}
	if err == nil {
		err = canonical(n)
	}
	if err != nil {
		return "", fmt.Errorf("checking its signature: %w", err)
	}
	if err := json.Unmarshal([]byte(n.Text), doc); err != nil {
		return "", fmt.Errorf("decoding it: %w", err)
	}
	return n.Sigs[0].Name, nil
}

// canonical is an error if signatures are written in another way than ours: the last letter of one has two bits
// that say nothing, and a document with one of them turned is not the one that was stored.
func canonical(n *note.Note) error {
	for _, s := range slices.Concat(n.Sigs, n.UnverifiedSigs) {
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return fmt.Errorf("that of %s: %w", s.Name, err)
		}
	}
	return nil
}

func signers(n *note.Note) string {
	var names []string
	for _, s := range n.UnverifiedSigs {
		names = append(names, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
	}
	if names == nil {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

// readNote gets key, checks it and decodes it into doc. An altered note is Damage about key.
func readNote(ctx context.Context, s getter, key string, t Trust, doc any) (string, error) {
	b, err := readSmall(ctx, s, key, maxNote)
	if err != nil {
		return "", err
	}
	signer, err := t.openNote(b, doc)
	if err != nil {
		return "", &Damage{Key: key, Cause: err}
	}
	return signer, nil
}

// getter is what reading needs of a Store.
type getter interface {
	Get(ctx context.Context, key string, r Range) (io.ReadCloser, error)
}

// readSmall reads an object that may have at most limit bytes. A larger one is Damage.
func readSmall(ctx context.Context, s getter, key string, limit int64) ([]byte, error) {
	r, err := s.Get(ctx, key, Range{})
	if err != nil {
		return nil, err // it names the key
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, Damaged(key, "more than %d bytes", limit)
	}
	return b, nil
}

// missing turns a missing object into Damage: for objects that a signed document names.
func missing(key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &Damage{Key: key, Cause: errors.New("missing")}
	}
	return err
}
