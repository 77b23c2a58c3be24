package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/snapshot"
)

func (a *app) cmdList() *cobra.Command {
	var vault, since string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List snapshots",
		Long: `List the snapshots of every configured vault, or of one, oldest first.

The store is the only catalogue: what is listed is there. A snapshot whose manifest is damaged
or not signed by a trusted host is shown as such, and the exit code is 3.`,
		Example: `  holdfast list --vault payments
  holdfast list --since 7d --json`,
		Args: wants(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.list(cmd.Context(), vault, since) },
	}
	cmd.Flags().StringVar(&vault, "vault", "", "only this `VAULT`")
	cmd.Flags().StringVar(&since, "since", "", "only those that are younger: a `TIME` or an age such as 7d")
	a.completeFlag(cmd, "vault", a.completeVaults)
	return cmd
}

// A listed is one line of list.
type listed struct {
	ID       snapshot.ID        `json:"id"`
	Vault    string             `json:"vault"`
	Manifest *snapshot.Manifest `json:"manifest,omitempty"`
	Error    string             `json:"error,omitempty"`
}

func (a *app) list(ctx context.Context, vault, since string) error {
	from, err := parseTime(since, time.Now())
	if err != nil {
		return misuse(fmt.Errorf("--since: %w", err))
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	names, err := s.stored(vault)
	if err != nil {
		return err
	}
	rows := []listed{}
	var errs []error
	for _, name := range names {
		entries, err := s.catalog().List(ctx, name)
		if err != nil {
			return err
		}
		if _, known := s.cfg.Vaults[name]; !known && len(entries) == 0 {
			_, err := s.vault(name)
			return err // most likely a slip: no answer would look like one
		}
		for _, e := range entries {
			row := listed{ID: e.ID, Vault: name, Manifest: e.Manifest}
			if e.Err != nil {
				row.Error = e.Err.Error()
				errs = append(errs, e.Err)
			} else if e.Manifest.DataAsOf.Before(from) {
				continue
			}
			rows = append(rows, row)
		}
	}
	err = a.print(map[string]any{"snapshots": rows}, func() { a.printListed(rows) })
	return together(append(errs, err)...)
}

func (a *app) printListed(list []listed) {
	if len(list) == 0 {
		a.note("no snapshots")
		return
	}
	var rows [][]string
	for _, l := range list {
		if l.Manifest == nil {
			rows = append(rows, []string{l.Vault, string(l.ID), "DAMAGED", "", "", "", "", ""})
			continue
		}
		m := l.Manifest
		rows = append(rows, []string{l.Vault, string(l.ID), stamp(m.DataAsOf), ageText(m.DataAsOf, time.Now()),
			strconv.FormatInt(m.Totals.Rows, 10), bytesText(m.Totals.PlainBytes), bytesText(m.Totals.NewBytes), tagsText(m.Tags)})
	}
	a.table([]string{"vault", "snapshot", "data as of", "age", "rows", "size", "new", "tags"}, rows, 4, 5, 6)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func tagsText(tags map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, k+"="+tags[k])
	}
	return strings.Join(list, " ")
}
