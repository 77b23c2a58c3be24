package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A Secret is a value that is never shown. The file names where it is, as env:NAME or
// file:PATH; Resolve fetches it when it is used. However a Secret is printed, logged or
// marshalled, it reads [redacted]; Reference says where it comes from. The pointer keeps
// printing harmless even where no method of Secret is called.
type Secret struct{ ref *reference }

// A reference is where a secret comes from: an environment variable, a file, or the text
// itself, for fields whose value need not be a credential.
type reference struct {
	field      string
	env        string
	file       string
	inline     *string
	configured string // as the file has it; empty for inline text
}

// maxSecret bounds a secret's file: a token, a URL, a key.
const maxSecret = 64 << 10

const redacted = "[redacted]"

// IsSet tells whether the file names this secret.
func (s Secret) IsSet() bool { return s.ref != nil }

// Field is where the secret stands in the file, such as vaults.payments.url.
func (s Secret) Field() string {
	if s.ref == nil {
		return ""
	}
	return s.ref.field
}

// Reference is where the secret comes from, as the file has it: env:NAME or file:PATH. For
// text that stands in the file itself it is [redacted], and for a secret not set, empty.
func (s Secret) Reference() string {
	switch {
	case s.ref == nil:
		return ""
	case s.ref.inline != nil:
		return redacted
	}
	return s.ref.configured
}

// Resolve fetches the secret. An error names the field and the reference, never the value.
// A secret that is not set is the empty string.
func (s Secret) Resolve() (string, error) {
	if s.ref == nil {
		return "", nil
	}
	value, err := s.ref.fetch()
	if err != nil {
		return "", fmt.Errorf("resolving %s (%s): %w", s.Field(), s.Reference(), err)
	}
	return value, nil
}

// ErrSecretOpen means that others than its owner may read a secret's file.
var ErrSecretOpen = errors.New("others may read this file")

// ErrSecretMissing means that a secret's environment variable or file is not there or empty.
var ErrSecretMissing = errors.New("not set or empty")

func (r *reference) fetch() (string, error) {
	var value string
	switch {
	case r.inline != nil:
		return *r.inline, nil
	case r.env != "":
		value = os.Getenv(r.env)
	default:
		var err error
		if value, err = readSecret(r.file); err != nil {
			return "", err
		}
	}
	if value == "" {
		return "", ErrSecretMissing
	}
	return value, nil
}

// readSecret reads a file that only its owner may read, and takes one newline off its end:
// the one that editors and echo put there.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("reading %s: not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("reading %s: %w (mode %04o, want 0600 or 0400)", path, ErrSecretOpen, info.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecret {
		return "", fmt.Errorf("reading %s: larger than 64 KiB", path)
	}
	if line, ok := strings.CutSuffix(string(b), "\n"); ok {
		return strings.TrimSuffix(line, "\r"), nil
	}
	return string(b), nil
}

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return redacted }

// Format implements fmt.Formatter, for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) } //nolint:errcheck // fmt keeps its own error

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML makes YAML encoders print [redacted] too.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }

// ResolveURL fetches the URL that a flag names: the text itself, if there is no credential in it, or
// what env:NAME or file:PATH holds, with a relative PATH as seen from here.
func ResolveURL(flag, text string) (string, error) {
	isReference := strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:")
	if !isReference && holdsPassword(text) {
		return "", &mistake{flag + ": a password on the command line is there for everyone on this host to see",
			"put the whole URL where env:NAME or file:PATH finds it, or the password into a password file"}
	}
	var s Secret
	if err := s.set(text, place{field: flag, inline: true}); err != nil {
		var m *mistake
		if errors.As(err, &m) {
			return "", &mistake{flag + ": " + m.message, m.hint}
		}
		return "", err
	}
	return s.Resolve()
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const secretHint = "write env:NAME or file:PATH"

func (s *Secret) set(text string, at place) error {
	r := &reference{field: at.field}
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		if !envName.MatchString(name) {
			return &mistake{"this is not the name of an environment variable", secretHint}
		}
		r.env, r.configured = name, text
	} else if path, ok := strings.CutPrefix(text, "file:"); ok {
		if path == "" {
			return &mistake{"this names no file", secretHint}
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(at.dir, path)
		}
		r.file, r.configured = filepath.Clean(path), "file:"+filepath.Clean(path)
	} else if !at.inline {
		return &mistake{"a secret stands in the file itself", secretHint}
	} else if holdsPassword(text) {
		return &mistake{"this holds a password, and a secret must not stand in the file itself", "put all of it elsewhere and " + secretHint}
	} else {
		r.inline = &text
	}
	s.ref = r
	return nil
}

// keywordPassword finds a password among key=value settings, in URL queries as in DSNs.
var keywordPassword = regexp.MustCompile(`(?i)(^|[\s?&;])\s*(password|passwd|pass|sslpassword|passphrase|token|secret|access_key|secret_key)\s*=`)

// holdsPassword tells whether text, a URL or key=value settings, carries a credential. What
// it cannot read is taken to carry one.
func holdsPassword(text string) bool {
	if keywordPassword.MatchString(text) {
		return true
	}
	scheme, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return false
	}
	u, err := url.Parse(text)
	if err != nil {
		return true
	}
	if q, err := url.QueryUnescape(u.RawQuery); err != nil || keywordPassword.MatchString("?"+q) {
		return true
	}
	if u.User == nil {
		return strings.Contains(rest, "@") && !strings.Contains(rest[:strings.IndexByte(rest, '@')], "/")
	}
	_, hasPassword := u.User.Password()
	// Only database URLs name a user by itself; elsewhere that place holds a token.
	return hasPassword || scheme != "postgres" && scheme != "postgresql"
}
