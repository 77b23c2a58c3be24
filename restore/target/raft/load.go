package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/raft/archive"
	"holdfast/snapshot/source/vaultapi"
)

func (t *Target) load(ctx context.Context, d restore.Dump) (loaded restore.Loaded, err error) {
	w, err := prove(ctx, d, nil, nil)
	if err != nil {
		return loaded, err
	}
	o, err := open(ctx, d, t.Shares)
	if err != nil {
		return loaded, err
	}
	var proof barrier.Proof
	if o != nil {
		if proof, err = o.prove(ctx, d); err != nil {
			return loaded, err
		}
	}
	sess, err := t.Server.Login(ctx)
	if err != nil {
		return loaded, err
	}
	taken := false
	defer func() {
		closeErr := sess.Close(ctx)
		if taken && closeErr != nil { // the token went with what was in the cluster
			t.log().Debug("the token could not be revoked", "err", closeErr)
			return
		}
		err = errors.Join(err, closeErr)
	}()
	if err := t.obstacles(ctx, sess, w.facts).ErrOrNil(); err != nil {
		return loaded, err
	}
	loaded = restore.Loaded{Place: t.Server.String(), Streams: w.loaded(d)}
	if t.Rehearse {
		loaded.Notes = append(loaded.Notes, "rehearsed: the archive is whole and nothing stands in its way; nothing was uploaded", route(sess.Status(), w.facts))
		return loaded, nil
	}
	forced, err := t.put(ctx, sess, d, w)
	if err != nil {
		return loaded, err
	}
	taken = true
	t.log().Debug("the server took the snapshot", "address", sess.Address(), "forced", forced)
	notes, err := (&settling{target: t, sess: sess, dump: d, whole: w, opened: o, proof: proof, forced: forced}).settle(ctx)
	if err != nil {
		return loaded, fmt.Errorf("%w: %w", ErrReplaced, err)
	}
	loaded.Notes = append(loaded.Notes, notes...)
	return loaded, nil
}

// put uploads the dump, by the plain route first if the cluster is the one that was dumped. The server opens the
// sealed sums there, so a snapshot of before a rekey shows before anything is replaced; it goes by force then.
func (t *Target) put(ctx context.Context, sess *vaultapi.Session, d restore.Dump, w *whole) (forced bool, err error) {
	if sameCluster(sess.Status(), w.facts) {
		err := t.uploadTo(ctx, sess, plainPath, d, w)
		if !otherKeys(err) {
			return false, err
		}
	}
	return true, t.uploadTo(ctx, sess, forcePath, d, w)
}

func (t *Target) uploadTo(ctx context.Context, sess *vaultapi.Session, path string, d restore.Dump, w *whole) error {
	all := false
	err := upload(w.members(ctx, d, t), func(r io.Reader) error {
		return sess.Upload(ctx, path, &ending{r, &all})
	})
	if all && errors.Is(err, vaultapi.ErrUnreachable) {
		return fmt.Errorf("the snapshot was sent and no answer came, so the target may hold it now: %w", err)
	}
	return err
}

// members are the archive as it was dumped.
func (w *whole) members(ctx context.Context, d restore.Dump, t *Target) []archive.Member {
	return []archive.Member{
		inMemory(raft.MetaName, w.small[raft.MetaName]),
		{Name: raft.StateName, Size: w.state, Open: func() (io.ReadCloser, error) { return openState(ctx, d, t.Progress) }},
		inMemory(raft.SumsName, w.small[raft.SumsName]),
		inMemory(raft.SealedName, w.small[raft.SealedName]),
	}
}

// ending notes that its reader was read to the end.
type ending struct {
	io.Reader
	seen *bool
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err == io.EOF {
		*e.seen = true
	}
	return n, err
}

// otherKeys tells whether the server could not open the sealed sums of a snapshot.
func otherKeys(err error) bool {
	var e *vaultapi.Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		return false
	}
	for _, m := range e.Messages {
		if strings.Contains(m, "could not verify hash file") {
			return true
		}
	}
	return false
}
