package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/archive"
	"holdfast/snapshot/source/vaultapi"
)

// A Source dumps all storage of a Vault or OpenBao cluster.
type Source struct {
	Server  *vaultapi.Server
	Timeout time.Duration // of a whole dump; 0: what the context allows
	Log     *slog.Logger  // nil discards
}

var _ snapshot.Source = (*Source)(nil)

// Policy is what a dump needs of the server, and no more than that: the first rule to read the archive, the
// others to know the mounts by name and to give back or prolong the token.
const Policy = `path "sys/storage/raft/snapshot" {
  capabilities = ["read"]
}

path "sys/mounts" {
  capabilities = ["read"]
}

path "sys/auth" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}

path "auth/token/revoke-self" {
  capabilities = ["update"]
}
`

var (
	// ErrArchive matches every error that means: what the server sent is not a whole archive.
	ErrArchive = archive.ErrArchive
	// ErrStorage means that the server does not keep its data in Raft.
	ErrStorage = errors.New("the server has no integrated storage (raft)")
)

const snapshotPath = "sys/storage/raft/snapshot"

// Dump writes the archive's members. It returns nil only if every one of them is whole.
func (s *Source) Dump(ctx context.Context, d snapshot.Dump) error {
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Timeout)
		defer cancel()
	}
	sess, err := s.login(ctx)
	if err != nil {
		return err
	}
	err = (&run{Source: s, d: d, sess: sess}).dump(ctx)
	for _, w := range s.logout(ctx, sess) {
		d.Warn(w)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", s.Server, err)
	}
	return nil
}

// Preflight finds out whether a dump could be taken: it logs in, asks for an archive and reads its
// first member.
func (s *Source) Preflight(ctx context.Context) (warnings []string, err error) {
	sess, err := s.login(ctx)
	if err != nil {
		return nil, err
	}
	warnings, err = preflight(ctx, sess)
	warnings = append(warnings, s.logout(ctx, sess)...)
	if err != nil {
		return warnings, fmt.Errorf("reading %s: %w", s.Server, err)
	}
	return warnings, nil
}

func preflight(ctx context.Context, sess *vaultapi.Session) (warnings []string, err error) {
	if _, warnings, err = mounts(ctx, sess); err != nil {
		return nil, err
	}
	body, err := sess.Download(ctx, snapshotPath)
	if err != nil {
		return warnings, err
	}
	err = archive.Read(body, func(name string, _ int64, r io.Reader) error {
		if name != MetaName {
			return errEnough
		}
		_, err := readMeta(r)
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return warnings, errors.Join(err, body.Close())
}

// errEnough ends a reading that has seen what it wanted to see.
var errEnough = errors.New("seen enough")

// login logs in to a server that has what this source reads.
func (s *Source) login(ctx context.Context) (*vaultapi.Session, error) {
	sess, err := s.Server.Login(ctx)
	if err != nil {
		return nil, err
	}
	if kind := sess.Status().StorageType; kind != "" && kind != "raft" {
		s.logout(ctx, sess)
		return nil, fmt.Errorf("reading %s: %w: it keeps its data in %q", s.Server, ErrStorage, kind)
	}
	return sess, nil
}

// logout ends sess. A token that could not be revoked lives on until it expires; a dump is none the
// worse for it.
func (s *Source) logout(ctx context.Context, sess *vaultapi.Session) (warnings []string) {
	err := sess.Close(ctx)
	if err == nil {
		return nil
	}
	s.log().Warn("the token of this run was not revoked", "source", s.Server.String(), "err", err)
	return []string{"the token of this run could not be revoked and lives until it expires"}
}

func (s *Source) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
