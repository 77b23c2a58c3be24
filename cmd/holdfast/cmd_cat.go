package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"holdfast/restore"
)

type catOptions struct {
	vault          string
	identities     []string
	unseal         []string
	offset, length int64
}

func (a *app) cmdCat() *cobra.Command {
	var o catOptions
	cmd := &cobra.Command{
		Use:   "cat ID|latest [STREAM]",
		Short: "Write one stream of a snapshot to standard output",
		Long: `Writes the plaintext of one stream to standard output; without STREAM, lists the streams.
With --length only that part is fetched and decrypted, whatever the size of the rest.

kv:MOUNT/PATH writes one secret with all its versions as JSON; with a slash at its end, or kv: alone, the
paths of all secrets there. Out of a KV snapshot only that secret is fetched. Out of a Raft snapshot it is
read offline, with the unseal shares of its cluster: those open the storage of servers with a
Shamir seal; a cluster that a cloud's key or another server unseals has none that do.

What was written counts only if the exit code is 0: damage may be found at the end.`,
		Example: `  holdfast cat latest --vault desktop -i identity.txt
  holdfast cat latest --vault desktop vault.db -i identity.txt > vault.db
  holdfast cat latest --vault desktop vault.db --length 100 -i identity.txt | xxd
  holdfast cat latest --vault core kv:secret/app/db --unseal shares.txt -i identity.txt | jq '.versions[-1].data'`,
		Args: wants(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error { return a.cat(cmd.Context(), args, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.vault, "vault", "", "the snapshot's `VAULT`")
	f.StringArrayVarP(&o.identities, "identity", "i", nil, "identity `FILE` that opens the snapshot")
	f.Int64Var(&o.offset, "offset", 0, "with --length: begin at this `BYTE`")
	f.Int64Var(&o.length, "length", 0, "write only this many `BYTES`")
	f.StringArrayVar(&o.unseal, "unseal", nil, unsealFlag+" (kv: in a Raft snapshot)")
	cmd.ValidArgsFunction = a.completeSnapshots
	a.completeFlag(cmd, "vault", a.completeVaults)
	return cmd
}

func (a *app) cat(ctx context.Context, args []string, o catOptions) error {
	if o.length < 0 || o.offset < 0 || o.offset > 0 && o.length == 0 {
		return misuse(errors.New("--offset and --length: use positive numbers, and --length wherever --offset is"))
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	snap, err := s.openSnapshot(ctx, o.vault, args[0], o.identities)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		return a.printStreams(snap)
	}
	if path, ok := secretPath(args[1]); ok {
		return a.catSecret(ctx, s, snap, path, o)
	}
	if len(o.unseal) > 0 {
		return misuse(errors.New("--unseal opens secrets, as kv:MOUNT/PATH"))
	}
	if _, err := restore.Find(snap, args[1]); err != nil {
		return misuse(err)
	}
	r, err := o.open(ctx, snap, args[1])
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(a.stdout, r)
	return err
}

func (o catOptions) open(ctx context.Context, snap *restore.Snapshot, stream string) (io.ReadCloser, error) {
	if o.length == 0 {
		return snap.Open(ctx, stream)
	}
	r, err := snap.OpenRange(ctx, stream, o.offset, o.length)
	if err != nil {
		return nil, misuse(err)
	}
	return r, nil
}

// openSnapshot finds and opens a snapshot for reading.
func (s *session) openSnapshot(ctx context.Context, vault, name string, files []string) (*restore.Snapshot, error) {
	ids, err := s.identities(ctx, files)
	if err != nil {
		return nil, err
	}
	m, err := s.findSnapshot(ctx, vault, name, time.Time{})
	if err != nil {
		return nil, err
	}
	return restore.Open(ctx, s.store, m, s.trust, nil, ids...)
}

func (a *app) printStreams(s *restore.Snapshot) error {
	return a.print(map[string]any{"snapshot": s.Manifest.ID, "streams": s.Streams()}, func() {
		var rows [][]string
		for _, st := range s.Streams() {
			rows = append(rows, []string{st.Name, st.Format, strconv.FormatInt(st.Rows, 10), bytesText(st.Bytes), st.SHA256.String()})
		}
		a.table([]string{"stream", "format", "rows", "size", "sha256"}, rows, 2, 3)
	})
}
