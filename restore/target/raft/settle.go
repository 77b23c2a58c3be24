package raft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot/source/vaultapi"
)

// How long a cluster may take after it said yes. It writes the whole state anew, and then waits five
// seconds for its other nodes, before it seals itself.
const (
	takeTime  = 15 * time.Minute
	electTime = 2 * time.Minute
	matchTime = time.Minute
	pollEvery = 200 * time.Millisecond
)

// A settling is what comes after a cluster took a snapshot: it puts it in place behind our back, and
// seals itself if the snapshot brought another key.
type settling struct {
	target *Target
	sess   *vaultapi.Session
	dump   restore.Dump
	whole  *whole
	opened *opened // nil without shares
	proof  barrier.Proof
	forced bool
}

// settle waits for that, unseals and compares as far as there are shares for it, and says what is left.
func (s *settling) settle(ctx context.Context) ([]string, error) {
	if !s.forced {
		return s.compareInPlace(ctx)
	}
	nodes, err := s.taken(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case s.opened == nil && len(nodes) == 0:
		return []string{"the server has the restored keys and is not sealed; what is in it could not be recounted without unseal shares"}, nil
	case s.opened == nil:
		return s.leftSealed(), nil
	}
	for _, address := range nodes {
		if err := s.unseal(ctx, address); err != nil {
			return nil, err
		}
	}
	notes, err := s.compareAsRoot(ctx)
	if err != nil {
		return nil, err
	}
	unsealed := fmt.Sprintf("unsealed with the shares that were given: %d of the nodes that are configured", len(nodes))
	return append(notes, unsealed, "nodes of the cluster that are not configured here have to be unsealed by hand"), nil
}

// leftSealed says what is left to do for people.
func (s *settling) leftSealed() []string {
	notes := []string{"the cluster took the snapshot and is sealed now; without unseal shares what is in it could not be recounted"}
	return append(notes, keysNeeded(s.sess.Status(), s.whole.facts)...)
}

// taken waits until the cluster put the snapshot in place, and returns the nodes that are sealed then. A
// node that unseals itself comes back with the snapshot's cluster id instead.
func (s *settling) taken(ctx context.Context) ([]string, error) {
	var asked []string
	for _, address := range s.nodes() {
		if _, err := s.target.Server.Status(ctx, address); err == nil || address == s.sess.Address() {
			asked = append(asked, address) // one that was down before is not waited for
		}
	}
	var nodes []string
	for _, address := range asked {
		err := poll(ctx, takeTime, func() (bool, error) {
			st, err := s.target.Server.Status(ctx, address)
			if err != nil {
				return false, nil // busy with it
			}
			if st.Sealed {
				nodes = append(nodes, st.Address)
			}
			return st.Sealed || sameCluster(st, s.whole.facts), nil
		})
		if err != nil {
			return nil, fmt.Errorf("waiting until %s has put the snapshot in place: %w", address, err)
		}
	}
	return nodes, nil
}

// nodes are the addresses that are known, the one that took the snapshot first.
func (s *settling) nodes() []string {
	list := []string{s.sess.Address()}
	for _, address := range s.target.Server.Addresses {
		if !slices.Contains(list, address) {
			list = append(list, address)
		}
	}
	return list
}

func (s *settling) unseal(ctx context.Context, address string) error {
	node := s.target.Server.Anonymous(address)
	err := unseal(ctx, anonymous{node}, s.opened.shares)
	if err := errors.Join(err, node.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return nil
}

// active waits until one of the nodes leads. One that is sealed by then is unsealed once more: a server
// seals itself if it cannot take up its work again after the storage was put in place under it.
func (s *settling) active(ctx context.Context) (address string, err error) {
	var seen []string
	err = poll(ctx, electTime, func() (bool, error) {
		seen = seen[:0]
		for _, a := range s.nodes() {
			st, err := s.target.Server.Status(ctx, a)
			switch {
			case err != nil:
				seen = append(seen, err.Error())
			case st.Active:
				address = a
				return true, nil
			case st.Sealed && s.opened != nil:
				seen = append(seen, fmt.Sprintf("%s is sealed (%v)", a, s.unseal(ctx, a)))
			default:
				seen = append(seen, fmt.Sprintf("%s is a standby of %s", a, name(st.LeaderAddress)))
			}
		}
		return false, nil
	})
	if err != nil {
		return "", fmt.Errorf("waiting until a node leads, for which most of them have to be unsealed: %w: %s", err, strings.Join(seen, "; "))
	}
	return address, nil
}

// compareAsRoot reads the server back with a root token made for it, which is revoked after.
func (s *settling) compareAsRoot(ctx context.Context) ([]string, error) {
	address, err := s.active(ctx)
	if err != nil {
		return nil, err
	}
	node := s.target.Server.Anonymous(address)
	token, err := generateRoot(ctx, anonymous{node}, s.opened.shares)
	if err := errors.Join(err, node.Close(ctx)); err != nil {
		return nil, err
	}
	root := vaultapi.Auth{Method: vaultapi.MethodToken, Token: func() (string, error) { return token, nil }}
	server := s.target.Server.As(address, root)
	sess, err := server.Login(ctx)
	if err != nil {
		return nil, errors.Join(err, revokeUnused(ctx, server))
	}
	notes, err := s.compareBy(ctx, sess)
	return notes, errors.Join(err, revoke(ctx, sess))
}

// revokeUnused ends a root token that could not be used, since ctx is over or the server was away for a moment.
func revokeUnused(ctx context.Context, server *vaultapi.Server) error {
	within, cancel := afterwards(ctx)
	defer cancel()
	sess, err := server.Login(within)
	if err != nil {
		return fmt.Errorf("a root token that was made to read the server back lives on, look for it among the token accessors and revoke it: %w", err)
	}
	return revoke(ctx, sess)
}

// revoke ends a root token that was made for a moment, and its session.
func revoke(ctx context.Context, sess *vaultapi.Session) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if _, err := sess.Put(ctx, "auth/token/revoke-self", nil); err != nil {
		return fmt.Errorf("revoking the root token that was made to read the server back: %w", errors.Join(err, sess.Close(ctx)))
	}
	return sess.Close(ctx)
}

// compareInPlace reads back a cluster that stays unsealed, with a root token or, without shares, with the
// token at hand, if that is in the snapshot, too, and allowed to.
func (s *settling) compareInPlace(ctx context.Context) ([]string, error) {
	if s.opened != nil {
		return s.compareAsRoot(ctx)
	}
	notes, err := s.compareBy(ctx, s.sess)
	if errors.Is(err, vaultapi.ErrDenied) {
		return []string{"the cluster took the snapshot and puts it in place; it could not be recounted, since the token ended with the restore or may not take a snapshot"}, nil
	}
	return notes, err
}

// compareBy reads the server back until it holds what was uploaded: nothing tells from outside
// when a server that stays unsealed has it in place.
func (s *settling) compareBy(ctx context.Context, sess *vaultapi.Session) ([]string, error) {
	t := tolerance{otherVersion: sess.Status().Version != s.whole.facts.Version, cubbyholes: cubbyholes(s.proof)}
	var (
		c    *comparison
		last error
	)
	err := poll(ctx, matchTime, func() (bool, error) {
		c, last = readBack(ctx, sess, s.dump, t)
		again := errors.Is(last, ErrDiffers) || errors.Is(last, vaultapi.ErrSealed) || errors.Is(last, vaultapi.ErrUnreachable)
		if again && !s.forced {
			return false, nil
		}
		return true, last
	})
	switch {
	case errors.Is(last, errUnordered):
		return []string{"what is in the server could not be compared entry by entry: " + errUnordered.Error()}, nil
	case errors.Is(err, errTimeUp):
		return nil, last
	case err != nil:
		return nil, err
	}
	return []string{"read back: " + c.String()}, nil
}

// errTimeUp means that something did not come about in time.
var errTimeUp = errors.New("the time is up")

// poll asks done again and again, for as long as limit says.
func poll(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	for deadline := time.Now().Add(limit); ; {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w after %v", errTimeUp, limit)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// anonymous asks a node without a token.
type anonymous struct{ *vaultapi.Session }

func (a anonymous) ask(ctx context.Context, method, path string, body, answer any) error {
	var (
		said *vaultapi.Answer
		err  error
	)
	switch method {
	case http.MethodDelete:
		return a.Delete(ctx, path)
	case http.MethodGet:
		said, err = a.Read(ctx, path, nil)
	default:
		said, err = a.Write(ctx, path, body) // POST means PUT here; a share is not sent twice
	}
	if err != nil || answer == nil {
		return err
	}
	if err := json.Unmarshal(said.Body, answer); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}
