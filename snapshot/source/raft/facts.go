package raft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"holdfast/snapshot/source/raft/archive"
	"holdfast/snapshot/source/raft/state"
	"holdfast/snapshot/source/vaultapi"
)

// The streams of a dump, in the order of the archive.
const (
	MetaName   = archive.Meta
	StateName  = archive.State
	SumsName   = archive.Sums
	SealedName = archive.Sealed
)

// Formats are what the streams hold.
var Formats = map[string]string{MetaName: "json", StateName: "vault-state", SumsName: "sha256sums", SealedName: "bytes"}

// Facts go with the stream StateName.
type Facts struct {
	Census      state.Census `json:"census"`
	Mounts      []Mount      `json:"mounts,omitempty"`      // as far as the policy let them be read
	MoreMounts  int          `json:"more_mounts,omitempty"` // that found no room in Mounts
	ClusterID   string       `json:"cluster_id,omitempty"`  // of the server, not of Raft
	ClusterName string       `json:"cluster_name,omitempty"`
	Product     string       `json:"product"`
	Version     string       `json:"version"`
	SealType    string       `json:"seal"`
	Shares      int          `json:"shares"` // of the unseal key, or of the recovery key if RecoverySeal
	Threshold   int          `json:"threshold"`
	// RecoverySeal means that another service unseals the server: the shares open nothing without it.
	RecoverySeal bool   `json:"recovery_seal,omitempty"`
	Index        uint64 `json:"index"` // of Raft, as meta.json has it
	Term         uint64 `json:"term"`
	Address      string `json:"address"` // of the node that sent the archive
}

// A Mount is a secrets engine or an auth method. Its UUID is what its keys begin with in state.bin.
type Mount struct {
	Path    string            `json:"path"`
	Type    string            `json:"type"`
	UUID    string            `json:"uuid"`
	Auth    bool              `json:"auth,omitempty"`
	Options map[string]string `json:"options,omitempty"`
}

// MetaData is what of meta.json matters here.
type MetaData struct {
	Version     int
	ID          string
	Index, Term uint64
	Size        int64 // of state.bin
}

// readMeta reads meta.json, which the caller has bounded.
func readMeta(r io.Reader) (MetaData, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return MetaData{}, fmt.Errorf("reading %s: %w", MetaName, err)
	}
	return ParseMeta(text)
}

// ParseMeta reads the text of meta.json.
func ParseMeta(text []byte) (MetaData, error) {
	var m MetaData
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("reading %s: %w: %w", MetaName, ErrArchive, err)
	}
	if m.Version != 1 {
		return m, fmt.Errorf("reading %s: %w: its version is %d and not 1", MetaName, ErrArchive, m.Version)
	}
	return m, nil
}

// maxMounts bounds the JSON of Facts.Mounts: a census may take 700 KB of the 1 MiB that facts have.
const maxMounts = 250 << 10

// mounts reads which engines and auth methods there are. Where the policy does not allow that, it is a warning.
func mounts(ctx context.Context, sess *vaultapi.Session) (list []Mount, warnings []string, err error) {
	for _, path := range []string{"sys/mounts", "sys/auth"} {
		found, err := mountsAt(ctx, sess, path)
		switch {
		case errors.Is(err, vaultapi.ErrExpired):
			return nil, nil, err
		case errors.Is(err, vaultapi.ErrDenied):
			warnings = append(warnings, "the policy does not allow reading "+path+", so what is mounted there is known by UUID alone")
		case err != nil:
			return nil, nil, err
		}
		list = append(list, found...)
	}
	return list, warnings, nil
}

func mountsAt(ctx context.Context, sess *vaultapi.Session, path string) ([]Mount, error) {
	answer, err := sess.Read(ctx, path, nil)
	if err != nil {
		return nil, err
	}
	var table map[string]struct {
		Type    string            `json:"type"`
		UUID    string            `json:"uuid"`
		Options map[string]string `json:"options"`
	}
	if err := json.Unmarshal(answer.Data, &table); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	var list []Mount
	for at, m := range table {
		list = append(list, Mount{Path: at, Type: m.Type, UUID: m.UUID, Auth: path == "sys/auth", Options: m.Options})
	}
	slices.SortFunc(list, func(a, b Mount) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// fit returns as many of list as facts have room for, and how many are left out.
func fit(list []Mount) (kept []Mount, more int, err error) {
	size := 0
	for i, m := range list {
		text, err := json.Marshal(m)
		if err != nil {
			return nil, 0, err
		}
		if size += len(text) + 1; size > maxMounts {
			return list[:i], len(list) - i, nil
		}
	}
	return list, 0, nil
}
