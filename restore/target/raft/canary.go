package raft

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A Canary is a secret that a rehearsal reads from the restored server, as an application would.
type Canary struct {
	Path  string // mount and path, as in "secret/app/db"; the same for both versions of KV
	Field string
	Hash  string // by HashCanary
}

// canaryRounds makes guessing at a hash slow, since it stands in a configuration file.
const canaryRounds = 600_000

var canaryText = base64.RawURLEncoding

// HashCanary returns what a Canary has instead of its value, "salt:hash". It is another one each time.
func HashCanary(value string) string {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails (crypto/rand)
	return canaryText.EncodeToString(salt) + ":" + canaryText.EncodeToString(canarySum(value, salt))
}

func canarySum(value string, salt []byte) []byte {
	sum, err := pbkdf2.Key(sha256.New, value, salt, canaryRounds, sha256.Size)
	if err != nil {
		panic(err) // of lengths that are constants
	}
	return sum
}

// CheckCanaryHash checks that hash has the form that HashCanary gives.
func CheckCanaryHash(hash string) error {
	_, _, err := parseCanary(hash)
	return err
}

func parseCanary(hash string) (salt, sum []byte, err error) {
	first, second, ok := strings.Cut(hash, ":")
	salt, saltErr := canaryText.DecodeString(first)
	sum, sumErr := canaryText.DecodeString(second)
	if !ok || saltErr != nil || sumErr != nil || len(salt) == 0 || len(sum) != sha256.Size {
		return nil, nil, errors.New("it is not a canary's hash, which has the form salt:hash")
	}
	return salt, sum, nil
}

// matches compares in constant time.
func (c Canary) matches(value string) (bool, error) {
	salt, sum, err := parseCanary(c.Hash)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(canarySum(value, salt), sum) == 1, nil
}

// name is what a check of c is called.
func (c Canary) name() string { return "canary " + c.Path + " " + c.Field }

// errNoField means that a canary's secret is there without its field.
var errNoField = errors.New("the secret has no such field")

// look reads c from a restored server and says what is wrong with it, without any value.
func (c Canary) look(ctx context.Context, server asker, mounts map[string]mountInfo) (bool, string, error) {
	path, mount, ok := locate(c.Path, mounts)
	if !ok {
		return false, "no KV mount has this path", nil
	}
	value, err := readField(ctx, server, path, c.Field, mount.versioned())
	var no *refusal
	switch {
	case errors.As(err, &no) && no.status == http.StatusNotFound:
		return false, "there is no such secret", nil
	case errors.As(err, &no):
		return false, no.Error(), nil
	case errors.Is(err, errNoField):
		return false, errNoField.Error(), nil
	case err != nil:
		return false, "", err
	}
	same, err := c.matches(value)
	switch {
	case err != nil:
		return false, err.Error(), nil
	case !same:
		return false, "its value is not the one that was hashed", nil
	}
	return true, "its value is the one that was hashed", nil
}

// locate finds the mount of a path and where the API has the secret.
func locate(path string, mounts map[string]mountInfo) (api string, m mountInfo, ok bool) {
	path = strings.Trim(path, "/")
	var at string
	for mount, info := range mounts {
		if info.kv() && strings.HasPrefix(path, mount) && len(mount) > len(at) {
			at, m = mount, info
		}
	}
	if at == "" {
		return "", m, false
	}
	parts := strings.Split(path[len(at):], "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	if m.versioned() {
		at += "data/"
	}
	return at + strings.Join(parts, "/"), m, true
}

// readField reads one field as text; one that is no string is its JSON.
func readField(ctx context.Context, server asker, path, field string, versioned bool) (string, error) {
	var answer struct{ Data json.RawMessage }
	if err := server.ask(ctx, http.MethodGet, path, nil, &answer); err != nil {
		return "", err
	}
	fields := map[string]json.RawMessage{}
	err := json.Unmarshal(answer.Data, &fields)
	if err == nil && versioned {
		inner := fields["data"]
		fields = nil
		err = json.Unmarshal(inner, &fields)
	}
	if err != nil {
		return "", fmt.Errorf("reading a canary: the answer is not that of a KV mount") // err could quote the secret
	}
	raw, ok := fields[field]
	if !ok {
		return "", errNoField
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	return string(raw), nil
}

// mountInfo is what a server's API says of a secrets engine or an auth method.
type mountInfo struct {
	Type    string            `json:"type"`
	UUID    string            `json:"uuid"`
	Options map[string]string `json:"options"`
}

func (m mountInfo) kv() bool        { return m.Type == "kv" || m.Type == "generic" }
func (m mountInfo) versioned() bool { return m.Options["version"] == "2" }
