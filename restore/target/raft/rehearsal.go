package raft

import (
	"context"
	"fmt"
	"log/slog"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
)

// A Rehearsal restores a snapshot into a scratch server and looks at it there. It implements
// restore.Rehearsal, on Linux.
type Rehearsal struct {
	Program  string                         // the server's program, "vault" or "bao", by path or name; not older than the snapshot's server
	Dir      string                         // where the scratch server has its folder; "": the temporary folder
	Shares   func() (barrier.Shares, error) // unseal shares of the snapshot; nil: the server stays sealed
	Canaries []Canary
	Log      *slog.Logger // nil discards
}

var _ restore.Rehearsal = (*Rehearsal)(nil)

// Rehearse goes through the phases read, start, init, load, unseal, verify, look and destroy. Without
// shares, and with a seal that no shares open, it ends after load, and says so as a limit. Whatever
// happens, the server's process ends and its folder goes; if this process is killed the server goes
// with it, and its folder, which holds what the snapshot holds, encrypted by the server, stays.
func (r *Rehearsal) Rehearse(ctx context.Context, d restore.Dump, log *restore.DrillLog) (restore.Loaded, error) {
	loaded, err := r.rehearse(ctx, d, log)
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("rehearsing the restore: %w", err)
	}
	return loaded, nil
}

func (r *Rehearsal) log() *slog.Logger {
	if r.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Log
}
