package raft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot"
	"holdfast/snapshot/source/vaultapi"
)

// A Target restores a snapshot into a cluster with integrated storage, as a whole. It implements
// restore.Target and restore.Surveyor.
type Target struct {
	Server   *vaultapi.Server
	Shares   func() (barrier.Shares, error) // unseal shares of the snapshot; nil: people unseal the server afterwards
	Replace  bool                           // what is in the cluster may go
	Rehearse bool                           // everything up to the upload
	Progress snapshot.Progress
	Log      *slog.Logger // nil discards
}

var (
	_ restore.Target   = (*Target)(nil)
	_ restore.Surveyor = (*Target)(nil)
)

// Policy is the least that the token of a Target needs. It is not enough to read a single secret, but
// whoever may restore a snapshot can put one of his own in the cluster's place.
const Policy = `path "sys/storage/raft/snapshot" {
  capabilities = ["update"]
}
path "sys/storage/raft/snapshot-force" {
  capabilities = ["update"]
}
# to see what would be overwritten
path "sys/mounts" {
  capabilities = ["read"]
}
path "sys/auth" {
  capabilities = ["read"]
}
# to know beforehand that all of this is granted
path "sys/capabilities-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
`

var (
	// ErrDowngrade means that the target is of an older version than the server that was dumped.
	ErrDowngrade = errors.New("the target is older than the server of the snapshot")
	// ErrOtherSplit means that the target was initialised with other numbers of unseal shares than the
	// snapshot's server. A running server goes on asking for its own.
	ErrOtherSplit = errors.New("the target was initialised with other numbers of unseal shares")
	// ErrReplaced comes with every error after the cluster took the snapshot. It is not as it was before.
	ErrReplaced = errors.New("the target took the snapshot before this went wrong")
)

// Preflight asks the cluster for everything that stands in the way. With Shares it reads as much of
// the dump as it takes to know that they open it.
func (t *Target) Preflight(ctx context.Context, d restore.Dump) error {
	return t.preflight(ctx, d).ErrOrNil()
}

// Survey tells what is in the cluster's place now and what will be needed after.
func (t *Target) Survey(ctx context.Context, d restore.Dump) ([]string, error) {
	lines, err := t.survey(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", t.Server, err)
	}
	return lines, nil
}

// Load reads the whole dump and then, a second time, into the cluster. Until the server has taken all
// of it the cluster is as it was; from then on an error matches ErrReplaced, since there is no way back
// but another snapshot. With Shares it unseals the server and compares what is in it with the dump.
func (t *Target) Load(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	loaded, err := t.load(ctx, d)
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("restoring into %s: %w", t.Server, err)
	}
	return loaded, nil
}

func (t *Target) log() *slog.Logger {
	if t.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return t.Log
}
