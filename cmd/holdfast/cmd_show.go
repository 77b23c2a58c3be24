package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"holdfast/restore"
	"holdfast/snapshot"
)

func (a *app) cmdShow() *cobra.Command {
	var vault string
	var files []string
	cmd := &cobra.Command{
		Use:   "show ID|latest",
		Short: "Show one snapshot and what is known of it",
		Long: `Prints what the manifest of a snapshot says (when, where from, how much, to whom it is encrypted) and
every finding of verify and drill.

What the streams hold (of Raft snapshots mounts and their entries, of KV snapshots secrets, of audit logs
requests) is private: it is shown on the host that took the snapshot, and elsewhere with an identity.`,
		Example: "  holdfast show latest --vault payments\n  holdfast show 20261122T020000Z-7f3a9c12 -i identity.txt",
		Args:    wants(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.show(cmd.Context(), vault, args[0], files) },
	}
	cmd.Flags().StringVar(&vault, "vault", "", "the snapshot's `VAULT`")
	cmd.Flags().StringArrayVarP(&files, "identity", "i", nil, "identity `FILE` that opens the snapshot")
	cmd.ValidArgsFunction = a.completeSnapshots
	a.completeFlag(cmd, "vault", a.completeVaults)
	return cmd
}

func (a *app) show(ctx context.Context, vault, name string, files []string) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	m, err := s.findSnapshot(ctx, vault, name, time.Time{})
	if err != nil {
		return err
	}
	findings, ferr := snapshot.ReadFindings(ctx, s.store, s.repository.ID, m.Vault, m.ID, s.trust)
	if findings == nil {
		findings = []snapshot.Finding{} // in JSON a list without anything in it, not null
	}
	result := map[string]any{"snapshot": m, "signer": m.Signer, "findings": findings}
	inside, ierr := s.describe(ctx, m, files) // told last: what the manifest says is true all the same
	if inside != nil {
		result["inside"] = inside.value
	}
	err = a.print(result, func() {
		a.printShown(m, findings)
		if inside != nil {
			a.printf("\n")
			a.table(inside.header, inside.rows, inside.right...)
		}
	})
	return together(ferr, ierr, err)
}

// describe says what is in the streams of m, nil if that is private here or nothing more is known of the kind.
func (s *session) describe(ctx context.Context, m *snapshot.Manifest, files []string) (*description, error) {
	describe := describers()[m.Kind]
	if describe == nil && len(files) == 0 {
		return nil, nil
	}
	streams, err := s.privateStreams(ctx, m, files)
	if err != nil || streams == nil || describe == nil {
		return nil, err
	}
	d, err := describe(streams)
	if err != nil {
		return nil, fmt.Errorf("describing snapshot %s of %s: %w", m.ID, m.Vault, err)
	}
	return d, nil
}

// privateStreams are the streams that the contents list, nil if nothing here opens them and nobody
// asked for them by an identity.
func (s *session) privateStreams(ctx context.Context, m *snapshot.Manifest, files []string) ([]snapshot.StreamInfo, error) {
	if len(files) > 0 {
		ids, err := s.identities(ctx, files)
		if err != nil {
			return nil, err
		}
		snap, err := restore.Open(ctx, s.store, m, s.trust, nil, ids...)
		if err != nil {
			return nil, err
		}
		return snap.Streams(), nil
	}
	if s.host == nil {
		return nil, nil
	}
	c, err := s.host.Contents(ctx, s.store, m)
	if as[*age.NoIdentityMatchError](err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	streams := make([]snapshot.StreamInfo, len(c.Streams))
	for i, st := range c.Streams {
		streams[i] = st.StreamInfo
	}
	return streams, nil
}

func (a *app) printShown(m *snapshot.Manifest, findings []snapshot.Finding) {
	var rows [][]string
	add := func(field, format string, args ...any) {
		rows = append(rows, []string{field, fmt.Sprintf(format, args...)})
	}
	add("snapshot", "%s", m.ID)
	add("vault", "%s (%s)", m.Vault, m.Kind)
	add("data as of", "%s (%s)", stamp(m.DataAsOf), ageText(m.DataAsOf, time.Now()))
	add("taken", "%s on %s, in %s, by %s", stamp(m.Started), m.Host, m.Finished.Sub(m.Started).Round(time.Millisecond), m.Tool)
	add("signed by", "%s", m.Signer)
	add("server", "%s %s", m.Server.Product, m.Server.Version)
	add("dump", "%s, %d rows, %s, %s", bytesText(m.Totals.PlainBytes), m.Totals.Rows, count(m.Totals.Streams, "stream"), count(int(m.Totals.Chunks), "chunk"))
	add("stored", "%s in %s; new: %s in %d", bytesText(m.Totals.StoredBytes), count(m.Totals.Packs, "pack"), bytesText(m.Totals.NewBytes), m.Totals.NewPacks)
	add("recipients", "%s", strings.Join(m.Recipients, " "))
	add("epoch", "%s", m.Epoch)
	if m.Previous != "" {
		add("previous", "%s", m.Previous)
	}
	if m.Lock != nil {
		add("locked", "%s until %s", m.Lock.Mode, stamp(m.Lock.Until))
	}
	if len(m.Tags) > 0 {
		add("tags", "%s", tagsText(m.Tags))
	}
	for _, w := range m.Warnings {
		add("warning", "%s", w)
	}
	if len(findings) == 0 {
		add("verified", "never")
	}
	for _, f := range findings {
		add("verified", "%s", findingText(f))
	}
	a.table([]string{"field", "value"}, rows)
}

func findingText(f snapshot.Finding) string {
	verdict := "good"
	if !f.Good {
		verdict = fmt.Sprintf("DAMAGED (%d objects)", len(f.Damage)+f.More)
	}
	if f.Sample > 0 && f.Sample < 100 {
		verdict += fmt.Sprintf(", a sample of %d %%", f.Sample)
	}
	if f.Unsealed {
		verdict += ", opened by unseal shares"
	}
	if f.Drill != nil && f.Drill.Checks > 0 {
		verdict += fmt.Sprintf(", %d of %d checks", f.Drill.Checks-f.Drill.Failed, f.Drill.Checks)
	}
	return fmt.Sprintf("%s by %s: %s at level %s", stamp(f.Finished), f.Host, verdict, f.Level)
}
