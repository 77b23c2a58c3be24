package kv

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// A Secret is one line of a dump: one secret with all that the server gives out about it.
// Of KV v1 it has Data, of KV v2 Metadata and Versions.
type Secret struct {
	Path string `json:"path"` // below the mount
	// Data is the one version that KV v1 has.
	Data json.RawMessage `json:"data,omitempty"`
	// Metadata is what the server answers for metadata/PATH, whole.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Versions are those whose data can be read, in rising order. The others are in Metadata.
	Versions []Version `json:"versions,omitempty"`
}

// A Version is the data of one version.
type Version struct {
	Version uint64          `json:"version"`
	Data    json.RawMessage `json:"data"`
}

// A State is what the metadata of a KV v2 secret says, in types.
type State struct {
	Current     uint64 // 0: no version was ever written
	Oldest      uint64 // 0: no version was ever dropped for age
	MaxVersions uint32
	CASRequired bool
	DeleteAfter time.Duration
	Custom      map[string]string
	Versions    []VersionState // rising
	Created     string
	Updated     string
}

// A VersionState is what the metadata says of one version.
type VersionState struct {
	Number    uint64
	Created   string
	Deletion  string // when it was deleted or, in the future, will be; empty if it was not
	Destroyed bool
	Data      json.RawMessage // nil if it cannot be read: then it is deleted or destroyed
}

// Live reports whether the data of the version can be read.
func (v *VersionState) Live() bool { return v.Data != nil }

// Expires is when a live version will be deleted, zero if never.
func (v *VersionState) Expires() time.Time {
	t, err := time.Parse(time.RFC3339Nano, v.Deletion)
	if err != nil || !v.Live() {
		return time.Time{}
	}
	return t
}

// metadata is what a server answers for metadata/PATH, as far as it is looked at.
type metadata struct {
	Current     uint64            `json:"current_version"`
	Oldest      uint64            `json:"oldest_version"`
	MaxVersions uint32            `json:"max_versions"`
	CASRequired bool              `json:"cas_required"`
	DeleteAfter Duration          `json:"delete_version_after"`
	Custom      map[string]string `json:"custom_metadata"`
	Created     string            `json:"created_time"`
	Updated     string            `json:"updated_time"`
	Versions    map[string]struct {
		Created   string `json:"created_time"`
		Deletion  string `json:"deletion_time"`
		Destroyed bool   `json:"destroyed"`
	} `json:"versions"`
}

// State reads the metadata of a KV v2 secret and joins the versions with their data.
func (s *Secret) State() (*State, error) {
	st, err := parseMetadata(s.Metadata)
	if err != nil {
		return nil, err
	}
	return st, st.join(s.Versions)
}

// parseMetadata reads the metadata of a secret. The versions have no data yet.
func parseMetadata(raw json.RawMessage) (*State, error) {
	var m metadata
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%w: metadata: %w", ErrMalformed, err)
	}
	st := &State{Current: m.Current, Oldest: m.Oldest, MaxVersions: m.MaxVersions, CASRequired: m.CASRequired,
		DeleteAfter: time.Duration(m.DeleteAfter), Custom: m.Custom, Created: m.Created, Updated: m.Updated}
	for text, v := range m.Versions {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n == 0 || n > m.Current {
			return nil, fmt.Errorf("%w: metadata: version %.20q of %d", ErrMalformed, text, m.Current)
		}
		st.Versions = append(st.Versions, VersionState{Number: n, Created: v.Created, Deletion: v.Deletion, Destroyed: v.Destroyed})
	}
	slices.SortFunc(st.Versions, func(a, b VersionState) int { return cmp.Compare(a.Number, b.Number) })
	return st, nil
}

// join gives the versions their data. A version that is neither deleted nor destroyed has data.
func (st *State) join(versions []Version) error {
	rest := versions
	for i := range st.Versions {
		v := &st.Versions[i]
		if len(rest) > 0 && rest[0].Version == v.Number {
			if !isObject(rest[0].Data) {
				return fmt.Errorf("%w: version %d has data that is no object", ErrMalformed, v.Number)
			}
			v.Data, rest = rest[0].Data, rest[1:]
		}
		if v.Data == nil && v.Deletion == "" && !v.Destroyed {
			return fmt.Errorf("%w: version %d has no data and was not deleted", ErrMalformed, v.Number)
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: data of version %d, which is not in the metadata or out of order", ErrMalformed, rest[0].Version)
	}
	return nil
}

// encode makes the line of s, with its end.
func (s *Secret) encode() ([]byte, error) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false) // data stays as the server wrote it
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("writing its line: %w", err)
	}
	if line.Len() > MaxLine {
		return nil, fmt.Errorf("%w: %d bytes with all of its versions", ErrTooLong, line.Len())
	}
	return line.Bytes(), nil
}

// ParseSecret reads one line of a mount of the engine's version, and checks that it is one a
// Source can have written.
func ParseSecret(line []byte, version int) (*Secret, error) {
	var s Secret
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if rest := bytes.TrimSpace(line[dec.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("%w: more than one value", ErrMalformed)
	}
	if version == 1 {
		return &s, s.checkV1()
	}
	if len(s.Metadata) == 0 || s.Data != nil {
		return nil, fmt.Errorf("%w: a secret of KV v2 without metadata", ErrMalformed)
	}
	_, err := s.State()
	return &s, err
}

func (s *Secret) checkV1() error {
	if len(s.Data) == 0 || s.Data[0] != '{' || s.Metadata != nil || s.Versions != nil {
		return fmt.Errorf("%w: a secret of KV v1 without data or with versions", ErrMalformed)
	}
	return nil
}

// SameSettings reports whether two secrets have the same settings and custom metadata.
func (st *State) SameSettings(o *State) bool {
	return st.MaxVersions == o.MaxVersions && st.CASRequired == o.CASRequired && st.DeleteAfter == o.DeleteAfter &&
		maps.Equal(st.Custom, o.Custom)
}

// A Duration reads what servers write for a length of time: "1h0m0s", or a number of seconds.
type Duration time.Duration

func (d *Duration) UnmarshalJSON(b []byte) error {
	if text, err := strconv.Unquote(string(b)); err == nil {
		if text == "" {
			return nil
		}
		v, err := time.ParseDuration(text)
		*d = Duration(v)
		return err
	}
	v, err := strconv.ParseInt(string(b), 10, 32)
	*d = Duration(v) * Duration(time.Second)
	return err
}
