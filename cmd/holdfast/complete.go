package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// completeTime bounds what a shell waits for when a key is pressed.
const completeTime = time.Second

// A completer suggests values for an argument. It stays silent about errors.
type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeVaults suggests the configured vaults.
func (a *app) completeVaults(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := a.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return cfg.VaultNames(), cobra.ShellCompDirectiveNoFileComp
}

// completeSnapshots suggests ids of --vault, or of every vault, the newest first.
func (a *app) completeSnapshots(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	ids := []string{"latest"}
	s, err := a.open(ctx)
	if err != nil {
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
	names := s.cfg.VaultNames()
	if f := cmd.Flags().Lookup("vault"); f != nil && f.Value.String() != "" {
		names = []string{f.Value.String()}
	}
	for _, name := range names {
		list, err := s.catalog().List(ctx, name)
		if err != nil {
			break
		}
		for i := len(list) - 1; i >= 0; i-- {
			ids = append(ids, string(list[i].ID)+"\t"+name)
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// completeFlag lets a flag's value be completed. A flag that does not exist is our own mistake.
func (a *app) completeFlag(cmd *cobra.Command, flag string, f completer) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}
