package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/config"
	rafttarget "holdfast/restore/target/raft"
)

type keyCheckOptions struct {
	vault      string
	identities []string
	unseal     []string
}

func (a *app) cmdKeyCheck() *cobra.Command {
	var o keyCheckOptions
	cmd := &cobra.Command{
		Use:   "check [ID|latest]",
		Short: "Check that unseal shares open a Raft snapshot",
		Long: `Puts unseal shares of a HashiCorp Vault or OpenBao cluster together and opens with them the keys that are
stored inside a snapshot of it, on this host alone and without a server. Nothing of what was opened is
shown or kept. It reads only as much of the snapshot as it needs: verify --level content --unseal
authenticates every entry.

Clusters that a cloud's key or another server unseals have recovery shares: those open no snapshot.`,
		Example: "  holdfast key check latest --vault core --unseal shares.txt -i identity.txt",
		Args:    wants(cobra.MaximumNArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.checkKey(cmd.Context(), first(args), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.vault, "vault", "", "the snapshot's `VAULT`")
	f.StringArrayVarP(&o.identities, "identity", "i", nil, "identity `FILE` that opens the snapshot")
	f.StringArrayVar(&o.unseal, "unseal", nil, unsealFlag)
	cmd.ValidArgsFunction = a.completeSnapshots
	a.completeFlag(cmd, "vault", a.completeVaults)
	return cmd
}

func (a *app) checkKey(ctx context.Context, name string, o keyCheckOptions) error {
	if len(o.unseal) == 0 {
		return misuse(errors.New("say which shares to check with --unseal"))
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	snap, err := s.openSnapshot(ctx, o.vault, name, o.identities)
	if err != nil {
		return err
	}
	m := snap.Manifest
	if m.Kind != config.KindRaft {
		return misuse(fmt.Errorf("--unseal is for vaults of kind %s; %s is of kind %s", config.KindRaft, m.Vault, m.Kind))
	}
	seal, _, err := rafttarget.Unseal(ctx, snap, s.sharesFrom(ctx, o.unseal, config.Secret{}))
	if err != nil {
		return fmt.Errorf("snapshot %s of %s: %w", m.ID, m.Vault, err)
	}
	result := map[string]any{"snapshot": m.ID, "vault": m.Vault, "seal": seal.Type, "shares": seal.Shares, "threshold": seal.Threshold, "opens": true}
	return a.print(result, func() {
		a.printf("%s: %s: these shares open it (%d of %d are needed)\n", m.Vault, m.ID, seal.Threshold, seal.Shares)
	})
}
