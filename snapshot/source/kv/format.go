package kv

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"holdfast/snapshot"
)

// The streams of a dump. MOUNT and NAME are escaped as a segment of a URL's path is, so that a
// mount at team/kv gives secrets/team%2Fkv.jsonl.
const (
	secretsFolder  = "secrets/"
	linesSuffix    = ".jsonl"
	indexSuffix    = ".index"
	documents      = "documents/"
	MountsDocument = documents + "mounts.json" // what sys/mounts answers
	AuthDocument   = documents + "auth.json"   // what sys/auth answers
	policyFolder   = documents + "policies/"   // NAME.hcl, or NAME.json if it is JSON
)

// MaxLine is the longest line of a secret, with all of its versions, in bytes.
const MaxLine = 64 << 20

// maxPath is longer than any path a server takes.
const maxPath = 64 << 10

// ErrMalformed means that a stream is not what a Source writes.
var ErrMalformed = errors.New("not a dump of KV secrets")

// LinesStream names the stream that has the secrets of mount.
func LinesStream(mount string) string { return secretsFolder + url.PathEscape(mount) + linesSuffix }

// IndexStream names the stream that has the index of mount.
func IndexStream(mount string) string { return secretsFolder + url.PathEscape(mount) + indexSuffix }

// Facts go with the lines of a mount. They are encrypted, unlike warnings, so they may name it.
type Facts struct {
	Mount       string          `json:"mount"`   // without a slash at its end
	Version     int             `json:"version"` // of the engine: 1 or 2
	UUID        string          `json:"uuid,omitempty"`
	Description string          `json:"description,omitempty"`
	Config      json.RawMessage `json:"config,omitempty"` // of a KV v2 engine, as the server has it
	Versions    int64           `json:"versions"`         // of all secrets, with those deleted and destroyed
	Deleted     int64           `json:"deleted,omitempty"`
	Destroyed   int64           `json:"destroyed,omitempty"`
	Excluded    int64           `json:"excluded,omitempty"` // secrets and folders that a pattern left out
	Gone        int64           `json:"gone,omitempty"`     // secrets and folders that were deleted while the walk went on
}

// Config are the settings of a KV v2 engine.
type Config struct {
	MaxVersions        uint32   `json:"max_versions"`
	CASRequired        bool     `json:"cas_required"`
	DeleteVersionAfter Duration `json:"delete_version_after"`
}

// Engine reads the settings of the engine. Those of KV v1 are zero.
func (f *Facts) Engine() (Config, error) {
	var c Config
	if len(f.Config) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(f.Config, &c); err != nil {
		return c, fmt.Errorf("%w: the settings of the engine: %w", ErrMalformed, err)
	}
	return c, nil
}

// Mounts finds the mounts of a dump among its streams, in their order.
func Mounts(streams []snapshot.StreamInfo) ([]Facts, error) {
	var all []Facts
	for _, s := range streams {
		if !strings.HasPrefix(s.Name, secretsFolder) || !strings.HasSuffix(s.Name, linesSuffix) {
			continue
		}
		var f Facts
		if err := json.Unmarshal(s.Facts, &f); err != nil {
			return nil, snapshot.Damaged(s.Name, "%w: its facts: %w", ErrMalformed, err)
		}
		if LinesStream(f.Mount) != s.Name || f.Version != 1 && f.Version != 2 {
			return nil, snapshot.Damaged(s.Name, "%w: its facts are of KV v%d at %.80q", ErrMalformed, f.Version, f.Mount)
		}
		all = append(all, f)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: it has no mount", ErrMalformed)
	}
	return all, nil
}

// IsDocument reports whether a stream is a document for people.
func IsDocument(stream string) bool { return strings.HasPrefix(stream, documents) }
