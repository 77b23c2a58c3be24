package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot/source/raft/state"
)

// A run is one rehearsal under way.
type run struct {
	*Rehearsal
	dump restore.Dump
	log  *restore.DrillLog

	whole  *whole
	thin   *thinning
	seal   *barrier.Seal
	opened *opened // nil without shares, or if none open the seal
	proof  barrier.Proof
	server *scratch
	other  bool // the scratch server is of another version than the one that was dumped
}

func (r *Rehearsal) rehearse(ctx context.Context, d restore.Dump, log *restore.DrillLog) (restore.Loaded, error) {
	x := &run{Rehearsal: r, dump: d, log: log}
	err := x.phases(ctx)
	if x.server != nil {
		err = errors.Join(err, log.Phase("destroy", func() (string, error) {
			return "the server's process ended and its folder is gone", x.server.destroy()
		}))
	}
	if err != nil {
		return restore.Loaded{}, err
	}
	r.log().Debug("rehearsed a restore", "entries", x.whole.entries)
	return restore.Loaded{Place: "a scratch server", Streams: x.whole.loaded(d)}, nil
}

// phases runs one after the other until there is no more to be done or one fails.
func (x *run) phases(ctx context.Context) error {
	for _, p := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{{"read", x.read}, {"start", x.start}, {"init", x.init}, {"load", x.load}} {
		if err := x.phase(ctx, p.name, p.run); err != nil {
			return err
		}
	}
	if x.opened == nil {
		return nil // told as a limit by read
	}
	for _, p := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{{"unseal", x.unseal}, {"verify", x.verify}, {"look", x.look}} {
		if err := x.phase(ctx, p.name, p.run); err != nil {
			return err
		}
	}
	return nil
}

func (x *run) phase(ctx context.Context, name string, f func(context.Context) (string, error)) error {
	err := x.log.Phase(name, func() (string, error) { return f(ctx) })
	if err != nil {
		return fmt.Errorf("phase %s: %w", name, err)
	}
	return nil
}

// read proves the dump whole, and opens it with the shares if there are any. It is what a restore does
// before it touches anything.
func (x *run) read(ctx context.Context) (detail string, err error) {
	x.thin = newThinning()
	if x.whole, err = prove(ctx, x.dump, nil, func(e state.Entry) error { return x.thin.add(e) }); err != nil {
		return "", err
	}
	if x.seal, err = readSeal(ctx, x.dump); err != nil {
		return "", err
	}
	detail = fmt.Sprintf("%d entries", x.whole.entries)
	switch {
	case x.seal.Type != barrier.Shamir:
		x.log.Limit(fmt.Sprintf("the seal of the snapshot is %q: a scratch server without that key takes it and stays sealed, so nothing in it could be looked at", x.seal.Type))
		return detail, nil
	case x.Shares == nil:
		x.log.Limit("without unseal shares the scratch server takes the snapshot and stays sealed, so nothing in it could be looked at")
		return detail, nil
	}
	if x.opened, err = open(ctx, x.dump, x.Shares); err != nil {
		return detail, err
	}
	if x.proof, err = x.opened.prove(ctx, x.dump); err != nil {
		return detail, err
	}
	return fmt.Sprintf("%s, %d of them decrypted", detail, x.proof.Authenticated), nil
}

func (x *run) start(ctx context.Context) (string, error) {
	s, err := startScratch(ctx, x.Program, x.Dir)
	if err != nil {
		return "", err
	}
	x.server = s
	if !s.isolated {
		if names := append(acting(x.proof.Mounts), x.proof.Unread...); len(names) > 0 {
			return "", fmt.Errorf("%w: %s", ErrReaches, some(names))
		}
		x.log.Limit("the scratch server shares this machine's network, since this process may not make one")
	}
	if x.thin.leases > 0 {
		x.log.Limit(fmt.Sprintf("%d leases were not loaded, or the scratch server would revoke those that have run out", x.thin.leases))
	}
	if n := len(x.proof.Audit); n > 0 {
		x.log.Limit(fmt.Sprintf("%d audit devices were not loaded, or the scratch server would write where production does", n))
	}
	var status sealStatus
	if err := s.ask(ctx, http.MethodGet, "sys/seal-status", nil, &status); err != nil {
		return "", err
	}
	x.other = status.Version != x.whole.facts.Version
	if older(status.Version, x.whole.facts.Version) {
		x.log.Limit(fmt.Sprintf("the scratch server is of version %s and the snapshot of %s", status.Version, x.whole.facts.Version))
	}
	return "version " + status.Version, nil
}

// init makes the server one with as many shares as the snapshot's had: a running server does not
// learn other numbers from what is restored into it.
func (x *run) init(ctx context.Context) (string, error) {
	shares, threshold := 1, 1
	if x.seal.Type == barrier.Shamir {
		shares, threshold = x.seal.Shares, x.seal.Threshold
	}
	var made struct {
		Keys  []string `json:"keys_base64"`
		Token string   `json:"root_token"`
	}
	body := map[string]any{"secret_shares": shares, "secret_threshold": threshold}
	if err := x.server.ask(ctx, http.MethodPut, "sys/init", body, &made); err != nil {
		return "", err
	}
	keys, err := decodeKeys(made.Keys)
	if err != nil {
		return "", err
	}
	if err := unseal(ctx, x.server, keys); err != nil {
		return "", err
	}
	x.server.token = made.Token
	return fmt.Sprintf("%d unseal shares, threshold %d", shares, threshold), x.active(ctx)
}

// active waits until the server leads itself.
func (x *run) active(ctx context.Context) error {
	return x.server.until(ctx, electTime, func() (bool, error) {
		return x.server.ask(ctx, http.MethodGet, "sys/health", nil, nil) == nil, nil
	})
}

// load restores by force: the scratch server has keys of its own until then.
func (x *run) load(ctx context.Context) (string, error) {
	members, err := x.thin.members(ctx, x.dump, x.whole, nil)
	if err != nil {
		return "", err
	}
	if err := upload(members, func(r io.Reader) error { return x.server.upload(ctx, forcePath, r) }); err != nil {
		return "", err
	}
	x.server.token = ""
	begun := time.Now()
	err = x.server.until(ctx, takeTime, func() (bool, error) {
		var status sealStatus
		err := x.server.ask(ctx, http.MethodGet, "sys/seal-status", nil, &status)
		return err == nil && status.Sealed, nil
	})
	if err != nil {
		return "", fmt.Errorf("waiting until the server has put the snapshot in place: %w", err)
	}
	return fmt.Sprintf("%d bytes; in place %.1f s after the upload", x.thin.size, time.Since(begun).Seconds()), nil
}

func (x *run) unseal(ctx context.Context) (string, error) {
	if err := unseal(ctx, x.server, x.opened.shares); err != nil {
		return "", err
	}
	if err := x.active(ctx); err != nil {
		return "", err
	}
	token, err := generateRoot(ctx, x.server, x.opened.shares)
	if err != nil {
		return "", err
	}
	x.server.token = token
	return fmt.Sprintf("with the supplied shares, threshold %d", x.seal.Threshold), nil
}

// verify compares what is in the server with the dump, entry by entry.
func (x *run) verify(ctx context.Context) (string, error) {
	t := tolerance{otherVersion: x.other, withheld: true, cubbyholes: cubbyholes(x.proof)}
	c, err := readBack(ctx, x.server, x.dump, t)
	if errors.Is(err, ErrDiffers) {
		x.log.Check("entries", false, err.Error())
		return "", nil
	}
	if errors.Is(err, errUnordered) {
		x.log.Limit("entries could not be compared one by one: " + errUnordered.Error())
		return "", nil
	}
	if err != nil {
		return "", err
	}
	x.log.Check("entries", true, c.String())
	return c.String(), nil
}
