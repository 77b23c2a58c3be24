package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/pack"
)

func (a *app) cmdDiff() *cobra.Command {
	var vault string
	var files []string
	cmd := &cobra.Command{
		Use:   "diff ID ID",
		Short: "Show what changed between two snapshots of a vault",
		Long: `Compare two snapshots: streams, rows and bytes, and for kinds that know better, what is inside
(files: paths; sqlite and postgres: tables; raft: mounts and their entries; kv: secrets and versions, never
values; auditlog: days). Contents are private, so an identity is needed.`,
		Example: "  holdfast diff 20261121T020000Z-0c9d11aa latest --vault payments -i identity.txt",
		Args:    wants(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.diff(cmd.Context(), vault, args[0], args[1], files)
		},
	}
	cmd.Flags().StringVar(&vault, "vault", "", "the snapshots' `VAULT`")
	cmd.Flags().StringArrayVarP(&files, "identity", "i", nil, "identity `FILE` that opens the snapshots")
	cmd.ValidArgsFunction = a.completeSnapshots
	a.completeFlag(cmd, "vault", a.completeVaults)
	return cmd
}

// A difference is diff's result.
type difference struct {
	From    snapshot.ID      `json:"from"`
	To      snapshot.ID      `json:"to"`
	Vault   string           `json:"vault"`
	Streams []streamChange   `json:"streams"`
	Inside  []restore.Change `json:"inside,omitempty"`
}

type streamChange struct {
	Name       string `json:"name"`
	Change     string `json:"change"` // added, removed, changed, same
	RowsBefore int64  `json:"rows_before"`
	Rows       int64  `json:"rows"`
	SizeBefore int64  `json:"bytes_before"`
	Size       int64  `json:"bytes"`
	NewBytes   int64  `json:"new_bytes"` // plaintext in chunks that the older snapshot does not have
}

func (a *app) diff(ctx context.Context, vault, from, to string, files []string) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	before, err := s.openSnapshot(ctx, vault, from, files)
	if err != nil {
		return err
	}
	after, err := s.openSnapshot(ctx, before.Manifest.Vault, to, files)
	if err != nil {
		return err
	}
	d := difference{From: before.Manifest.ID, To: after.Manifest.ID, Vault: before.Manifest.Vault, Streams: compareStreams(before, after)}
	if differ, ok := differs()[after.Manifest.Kind]; ok && before.Manifest.Kind == after.Manifest.Kind {
		if d.Inside, err = differ(ctx, before, after); err != nil {
			return fmt.Errorf("comparing %s with %s: %w", d.From, d.To, err)
		}
	}
	return a.print(d, func() { a.printDifference(d) })
}

func compareStreams(a, b *restore.Snapshot) []streamChange {
	// Chunk ids of different epochs say nothing about each other: then all is new.
	have := map[pack.ID]bool{}
	before := map[string]snapshot.ContentsStream{}
	for _, st := range a.Contents.Streams {
		before[st.Name] = st
		for _, r := range st.Refs() {
			have[r.ID] = true
		}
	}
	var list []streamChange
	for _, st := range b.Contents.Streams {
		old, ok := before[st.Name]
		delete(before, st.Name)
		x := streamChange{Name: st.Name, Change: "changed", RowsBefore: old.Rows, Rows: st.Rows, SizeBefore: old.Bytes, Size: st.Bytes}
		switch {
		case !ok:
			x.Change = "added"
		case old.SHA256 == st.SHA256:
			x.Change = "same"
		}
		for _, r := range st.Refs() {
			if !have[r.ID] && x.Change != "same" {
				x.NewBytes += int64(r.Plain)
			}
		}
		list = append(list, x)
	}
	for _, st := range a.Contents.Streams {
		if _, gone := before[st.Name]; gone {
			list = append(list, streamChange{Name: st.Name, Change: "removed", RowsBefore: st.Rows, SizeBefore: st.Bytes})
		}
	}
	return list
}

// longList is how many streams are listed even if nothing changed in them.
const longList = 20

func (a *app) printDifference(d difference) {
	var rows [][]string
	same := 0
	for _, s := range d.Streams {
		if s.Change == "same" && len(d.Streams) > longList {
			same++
			continue
		}
		rows = append(rows, []string{s.Name, s.Change, fmt.Sprintf("%d (%+d)", s.Rows, s.Rows-s.RowsBefore),
			fmt.Sprintf("%s (%+d)", bytesText(s.Size), s.Size-s.SizeBefore), bytesText(s.NewBytes)})
	}
	a.table([]string{"stream", "change", "rows", "size", "in new chunks"}, rows, 2, 3, 4)
	if same > 0 {
		a.printf("%s more are the same\n", count(same, "stream"))
	}
	const most = 50
	for i, x := range d.Inside {
		if i == most {
			a.printf("... and %d more (--json shows all)\n", len(d.Inside)-most)
			break
		}
		a.printf("%-8s %q %s\n", x.Change, x.Name, x.Detail)
	}
}
