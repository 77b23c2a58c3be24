package config

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/plugin"
)

// A Recipient is someone that snapshots are encrypted to. It is an age.Recipient.
type Recipient struct {
	age.Recipient
	text string
	kind recipientKind
}

// String is the recipient's one spelling: of an ssh key, its type and key without comment.
func (r Recipient) String() string { return r.text }

// PostQuantum tells whether r withstands a quantum computer. Of a plugin's it is not known
// before the plugin runs.
func (r Recipient) PostQuantum() bool { return r.kind == postQuantum }

type recipientKind int

const (
	classic recipientKind = iota
	postQuantum
	byPlugin
)

// A RecipientRef is a recipient, or file:PATH of a file with one a line.
type RecipientRef struct {
	recipient  Recipient // unless file is set
	file       string
	configured string // as the file has it
}

// Reference is what the configuration says: the recipient or file:PATH.
func (r RecipientRef) Reference() string { return r.configured }

// MarshalText implements encoding.TextMarshaler.
func (r RecipientRef) MarshalText() ([]byte, error) { return []byte(r.configured), nil }

// Recipients lists whom snapshots are encrypted to, without escrow, each one once. It reads
// the files that the configuration names and checks that age will accept all of them,
// escrow included, for one file.
func (c *Config) Recipients() ([]Recipient, error) {
	main, _, err := c.resolveRecipients()
	return main, err
}

// Escrow lists the recipients whose identities lie offline; see Recipients.
func (c *Config) Escrow() ([]Recipient, error) {
	_, escrow, err := c.resolveRecipients()
	return escrow, err
}

func (c *Config) resolveRecipients() (main, escrow []Recipient, err error) {
	if main, err = resolveRefs(c.Keys.Recipients); err != nil {
		return nil, nil, fmt.Errorf("reading keys.recipients: %w", err)
	}
	if escrow, err = resolveRefs(c.Keys.Escrow); err != nil {
		return nil, nil, fmt.Errorf("reading keys.escrow: %w", err)
	}
	if err := mixed(main, escrow); err != nil {
		return nil, nil, fmt.Errorf("reading keys: %w", err)
	}
	return main, escrow, nil
}

func resolveRefs(refs []RecipientRef) ([]Recipient, error) {
	var all []Recipient
	for _, ref := range refs {
		if ref.file == "" {
			all = append(all, ref.recipient)
			continue
		}
		some, err := readRecipients(ref.file)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return unique(all), nil
}

func unique(all []Recipient) []Recipient {
	seen := map[string]bool{}
	var out []Recipient
	for _, r := range all {
		if !seen[r.text] {
			seen[r.text] = true
			out = append(out, r)
		}
	}
	return out
}

// ErrMixedRecipients means that post-quantum and classic recipients stand together. age
// refuses to encrypt one file to both, since it would be as weak as the weaker.
var ErrMixedRecipients = errors.New("post-quantum and classic recipients are mixed")

func mixed(lists ...[]Recipient) error {
	var first *Recipient
	for _, list := range lists {
		for _, r := range list {
			if r.kind == byPlugin {
				continue
			}
			if first == nil {
				first = &r
			}
			if r.kind != first.kind {
				return fmt.Errorf("%w: %s and %s", ErrMixedRecipients, brief(first.text), brief(r.text))
			}
		}
	}
	return nil
}

// brief names a recipient in a message: a post-quantum one is 1,959 characters long.
func brief(text string) string {
	if len(text) <= 24 {
		return text
	}
	return text[:16] + "…" + text[len(text)-6:]
}

// Bounds on a recipients file: a hybrid recipient has about 2,000 characters.
const (
	maxRecipientFile = 1 << 20
	maxRecipientLine = 16 << 10
)

// readRecipients reads a file of recipients, one a line, with comments after #. A line that
// is none is not repeated: it may be an identity put in the wrong file.
func readRecipients(path string) ([]Recipient, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Recipient
	lines := bufio.NewScanner(io.LimitReader(f, maxRecipientFile))
	lines.Buffer(nil, maxRecipientLine)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		r, err := ParseRecipient(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		all = append(all, r)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no recipients in this file", path)
	}
	return all, nil
}

// silent is what a plugin may ask of a run that nobody watches: nothing.
var silent = &plugin.ClientUI{}

// ParseRecipient reads one recipient: X25519, post-quantum hybrid, ssh or a plugin's. An error does not repeat s, which may be an identity.
func ParseRecipient(s string) (Recipient, error) {
	switch {
	case strings.HasPrefix(strings.ToUpper(s), "AGE-"):
		return Recipient{}, &mistake{"this is an identity, the secret side of a key", "recipients begin with age1; treat this key as exposed if others can read this file"}
	case strings.HasPrefix(s, "age1pq1"):
		r, err := age.ParseHybridRecipient(s)
		if err != nil {
			return Recipient{}, malformed("post-quantum recipient")
		}
		return Recipient{r, r.String(), postQuantum}, nil
	case strings.HasPrefix(s, "age1") && strings.Count(s, "1") > 1:
		r, err := plugin.NewRecipient(s, silent)
		if err != nil {
			return Recipient{}, malformed("recipient of a plugin")
		}
		return Recipient{r, r.String(), byPlugin}, nil
	case strings.HasPrefix(s, "age1"):
		r, err := age.ParseX25519Recipient(s)
		if err != nil {
			return Recipient{}, malformed("X25519 recipient")
		}
		return Recipient{r, r.String(), classic}, nil
	case strings.HasPrefix(s, "ssh-"):
		r, err := agessh.ParseRecipient(s)
		fields := strings.Fields(s)
		if err != nil || len(fields) < 2 {
			return Recipient{}, malformed("ssh-ed25519 or ssh-rsa key")
		}
		return Recipient{r, fields[0] + " " + fields[1], classic}, nil
	}
	return Recipient{}, &mistake{"this is not a recipient", "age1pq1…, age1…, ssh-ed25519 …, ssh-rsa … or file:PATH"}
}

func malformed(what string) error {
	return &mistake{"this is not a whole " + what, "copy it again; a typing error or a cut end is noticed by its checksum"}
}

func (r *RecipientRef) set(text string, at place) error {
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		if path == "" {
			return &mistake{"this names no file", "write file:PATH"}
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(at.dir, path)
		}
		*r = RecipientRef{file: filepath.Clean(path), configured: "file:" + filepath.Clean(path)}
		return nil
	}
	parsed, err := ParseRecipient(text)
	if err != nil {
		return err
	}
	*r = RecipientRef{recipient: parsed, configured: parsed.text}
	return nil
}
