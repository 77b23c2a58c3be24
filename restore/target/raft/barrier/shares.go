package barrier

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"holdfast/restore/shamir"
)

// Shares are unseal shares, as the server gave them out at its initialization. They print as how many
// there are, by whatever verb, and go into no JSON or log.
type Shares [][]byte

// keySize is the length of the key that shares combine into, and of a share if there is only one.
const keySize = 32

// ParseShares reads shares, one on each line, in hex or base64. Empty lines and what comes after a #
// are passed over. No error tells what is in a line.
func ParseShares(r io.Reader) (Shares, error) {
	var s Shares
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 512), 4096)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		share, ok := parseShare(text)
		if !ok {
			return nil, fmt.Errorf("reading unseal shares: line %d is not a share of %d or %d bytes in hex or base64", n, keySize, keySize+1)
		}
		if s = append(s, share); len(s) > shamir.MaxParts {
			return nil, fmt.Errorf("reading unseal shares: there are more than %d", shamir.MaxParts)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, errors.New("reading unseal shares: a line is longer than any share")
	case err != nil:
		return nil, fmt.Errorf("reading unseal shares: %w", err)
	case len(s) == 0:
		return nil, errors.New("reading unseal shares: there are none")
	}
	return s, nil
}

// parseShare decodes text by the encoding that gives as many bytes as a share has.
func parseShare(text string) ([]byte, bool) {
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
	} {
		if b, err := decode(text); err == nil && (len(b) == keySize || len(b) == keySize+1) {
			return b, true
		}
	}
	return nil, false
}

// distinct returns s without shares that are in it twice.
func (s Shares) distinct() Shares {
	var d Shares
	for _, share := range s {
		if !slices.ContainsFunc(d, func(other []byte) bool { return bytes.Equal(share, other) }) {
			d = append(d, share)
		}
	}
	return d
}

// key combines s into the key that the seal's threshold asks for. All of s count, so that one wrong
// share among more than are needed is noticed.
func (s Shares) key(threshold int) ([]byte, error) {
	s = s.distinct()
	if len(s) < threshold {
		return nil, fmt.Errorf("%w: %d given, %d needed", ErrTooFew, len(s), threshold)
	}
	if threshold == 1 {
		if len(s) > 1 {
			return nil, fmt.Errorf("%w: the seal has one, and %d different ones were given", ErrWrongShares, len(s))
		}
		return s[0], nil
	}
	key, err := shamir.Combine(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrongShares, err)
	}
	return key, nil
}

func (s Shares) String() string { return fmt.Sprintf("[%d unseal shares]", len(s)) }

// GoString implements fmt.GoStringer.
func (s Shares) GoString() string { return s.String() }

// Format implements fmt.Formatter, so that verbs that pass over String tell no more than it.
func (s Shares) Format(f fmt.State, _ rune) { hide(f, s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Shares) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Shares) LogValue() slog.Value { return slog.StringValue(s.String()) }

// hide writes text for a value that is not to be seen.
func hide(f fmt.State, text string) {
	_, _ = io.WriteString(f, text) // fmt has nowhere to tell of an error
}
