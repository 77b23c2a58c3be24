package barrier

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// A Secret is one secret of a KV mount, with all its versions. It prints as its path.
type Secret struct {
	Path     string    `json:"path"`     // within its mount
	Versions []Version `json:"versions"` // the oldest first; one without a number in a mount of version 1

	// Of KV v2 alone.
	Current            uint64            `json:"current_version,omitempty"`
	Oldest             uint64            `json:"oldest_version,omitempty"`
	Created            time.Time         `json:"created_time,omitzero"`
	Updated            time.Time         `json:"updated_time,omitzero"`
	MaxVersions        uint64            `json:"max_versions,omitempty"` // 0: what the mount says
	CASRequired        bool              `json:"cas_required,omitempty"`
	DeleteVersionAfter time.Duration     `json:"delete_version_after,omitempty"` // 0: what the mount says
	CustomMetadata     map[string]string `json:"custom_metadata,omitempty"`
}

// A Version is one version of a secret.
type Version struct {
	Number    uint64          `json:"version,omitempty"`
	Created   time.Time       `json:"created_time,omitzero"`
	Deleted   time.Time       `json:"deletion_time,omitzero"` // it may be still to come; the data is there until it is destroyed
	Destroyed bool            `json:"destroyed,omitempty"`
	Lost      bool            `json:"lost,omitempty"` // it should have data and has none in this snapshot
	Data      json.RawMessage `json:"data,omitempty"` // an object, byte for byte as it is stored
}

func (s Secret) String() string {
	return fmt.Sprintf("[secret %q, %d versions]", s.Path, len(s.Versions))
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// Format implements fmt.Formatter, so that verbs that pass over String tell no more than it.
func (s Secret) Format(f fmt.State, _ rune) { hide(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (v Version) String() string { return fmt.Sprintf("[version %d]", v.Number) }

// GoString implements fmt.GoStringer.
func (v Version) GoString() string { return v.String() }

// Format implements fmt.Formatter, so that verbs that pass over String tell no more than it.
func (v Version) Format(f fmt.State, _ rune) { hide(f, v.String()) }

// LogValue implements slog.LogValuer.
func (v Version) LogValue() slog.Value { return slog.StringValue(v.String()) }

// parseMetadata reads what KV v2 keeps of a secret beside its data.
func parseMetadata(b []byte) (Secret, error) {
	var s Secret
	err := fields(b, func(f wireField) error {
		var err error
		switch f.number {
		case 1:
			s.Path = string(f.bytes)
		case 2:
			var v Version
			v, err = parseVersionMetadata(f.bytes)
			s.Versions = append(s.Versions, v)
		case 3:
			s.Current = f.varint
		case 4:
			s.Oldest = f.varint
		case 5:
			s.Created, err = parseTime(f.bytes)
		case 6:
			s.Updated, err = parseTime(f.bytes)
		case 7:
			s.MaxVersions = f.varint
		case 8:
			s.CASRequired = f.varint != 0
		case 9:
			s.DeleteVersionAfter, err = parseDuration(f.bytes)
		case 10:
			err = s.parseCustom(f.bytes)
		}
		return err
	})
	if err != nil {
		return Secret{}, err
	}
	if s.Path == "" {
		return Secret{}, errors.New("it names no secret")
	}
	slices.SortFunc(s.Versions, func(a, b Version) int {
		if a.Number < b.Number {
			return -1
		}
		return 1
	})
	return s, nil
}

// parseVersionMetadata reads one entry of the map of versions.
func parseVersionMetadata(b []byte) (Version, error) {
	var (
		v    Version
		rest []byte
	)
	err := fields(b, func(f wireField) error {
		switch f.number {
		case 1:
			v.Number = f.varint
		case 2:
			rest = f.bytes
		}
		return nil
	})
	if err != nil {
		return Version{}, err
	}
	err = fields(rest, func(f wireField) error {
		var err error
		switch f.number {
		case 1:
			v.Created, err = parseTime(f.bytes)
		case 2:
			v.Deleted, err = parseTime(f.bytes)
		case 3:
			v.Destroyed = f.varint != 0
		}
		return err
	})
	return v, err
}

func (s *Secret) parseCustom(b []byte) error {
	var key, value string
	err := fields(b, func(f wireField) error {
		switch f.number {
		case 1:
			key = string(f.bytes)
		case 2:
			value = string(f.bytes)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.CustomMetadata == nil {
		s.CustomMetadata = map[string]string{}
	}
	s.CustomMetadata[key] = value
	return nil
}

func parseTime(b []byte) (time.Time, error) {
	seconds, nanos, err := parseSeconds(b)
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(seconds, nanos).UTC(), nil
}

func parseDuration(b []byte) (time.Duration, error) {
	seconds, nanos, err := parseSeconds(b)
	return time.Duration(seconds)*time.Second + time.Duration(nanos), err
}

// parseSeconds reads what a timestamp and a duration have in common.
func parseSeconds(b []byte) (seconds, nanos int64, err error) {
	err = fields(b, func(f wireField) error {
		switch f.number {
		case 1:
			seconds = int64(f.varint)
		case 2:
			nanos = int64(int32(f.varint))
		}
		return nil
	})
	return seconds, nanos, err
}

// parseData returns the data of a version.
func parseData(b []byte) (json.RawMessage, error) {
	list, err := field(b, 1)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || !json.Valid(list[len(list)-1]) {
		return nil, errors.New("it has no JSON")
	}
	return json.RawMessage(list[len(list)-1]), nil
}
