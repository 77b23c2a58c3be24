package raft

import (
	"context"
	"errors"
	"fmt"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
)

// readSeal reads what the dump says of its seal, without keys.
func readSeal(ctx context.Context, d restore.Dump) (*barrier.Seal, error) {
	in, err := openState(ctx, d, nil)
	if err != nil {
		return nil, err
	}
	seal, err := barrier.ReadSeal(in)
	return seal, errors.Join(damagedUnless(err), in.Close())
}

// An opened dump is one that its unseal shares open.
type opened struct {
	seal   *barrier.Seal
	shares barrier.Shares
	keys   *barrier.Keyring
}

// Unseal opens the seal of a dump with the shares that get returns, and reads no more of it than that takes.
func Unseal(ctx context.Context, d restore.Dump, get func() (barrier.Shares, error)) (*barrier.Seal, *barrier.Keyring, error) {
	o, err := open(ctx, d, get)
	if err != nil {
		return nil, nil, err
	}
	return o.seal, o.keys, nil
}

// open gets the shares and proves that they open the dump. It answers nil if there are none to get.
func open(ctx context.Context, d restore.Dump, get func() (barrier.Shares, error)) (*opened, error) {
	if get == nil {
		return nil, nil
	}
	seal, err := readSeal(ctx, d)
	if err != nil {
		return nil, err
	}
	shares, err := get()
	if err != nil {
		return nil, fmt.Errorf("getting the unseal shares: %w", err)
	}
	keys, err := seal.Unseal(shares)
	if err != nil {
		return nil, fmt.Errorf("opening the snapshot with the unseal shares: %w", err)
	}
	return &opened{seal, shares, keys}, nil
}

// prove authenticates every entry of the dump.
func (o *opened) prove(ctx context.Context, d restore.Dump) (barrier.Proof, error) {
	in, err := openState(ctx, d, nil)
	if err != nil {
		return barrier.Proof{}, err
	}
	proof, err := o.keys.Prove(ctx, in)
	if err := errors.Join(damagedUnless(err), in.Close()); err != nil {
		return barrier.Proof{}, err
	}
	return proof, nil
}

// cubbyholes are the mounts whose content goes with the tokens that it belongs to.
func cubbyholes(proof barrier.Proof) []string {
	var uuids []string
	for _, m := range proof.Mounts {
		if m.Type == "cubbyhole" {
			uuids = append(uuids, m.UUID)
		}
	}
	return uuids
}
