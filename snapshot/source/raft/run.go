package raft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/archive"
	"holdfast/snapshot/source/raft/state"
	"holdfast/snapshot/source/vaultapi"
)

// A run is one dump being made.
type run struct {
	*Source
	d       snapshot.Dump
	sess    *vaultapi.Session
	facts   Facts
	earlier *Facts // of the snapshot before, nil if there is none

	asOf    time.Time
	meta    MetaData
	texts   map[string][]byte // the small members
	streams map[string]snapshot.StreamWriter
	entries int64
}

func (r *run) dump(ctx context.Context) error {
	if err := r.ask(ctx); err != nil {
		return err
	}
	if err := r.download(ctx); err != nil {
		return err
	}
	r.about()
	if err := r.seal(ctx); err != nil {
		return err
	}
	for _, w := range r.facts.warnings(r.earlier) {
		r.d.Warn(w)
	}
	return nil
}

// ask finds out what is to be known before the archive is.
func (r *run) ask(ctx context.Context) error {
	list, warnings, err := mounts(ctx, r.sess)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		r.d.Warn(w)
	}
	if r.facts.Mounts, r.facts.MoreMounts, err = fit(list); err != nil {
		return err
	}
	r.earlier, err = earlierFacts(ctx, r.d)
	return err
}

// downloadTries bounds how often a download that broke before state.bin is begun anew.
const downloadTries = 3

// download reads the archive. It begins anew only as long as no stream was opened.
func (r *run) download(ctx context.Context) error {
	try := 0
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		try++
		err := r.once(ctx)
		switch {
		case err == nil:
			return struct{}{}, nil
		case r.streams != nil:
			return struct{}{}, backoff.Permanent(fmt.Errorf("%w (after state.bin had begun, so the dump has to be run again)", err))
		case try == downloadTries || !broken(err):
			return struct{}{}, backoff.Permanent(err)
		}
		r.log().Debug("downloading once more", "source", r.Server.String(), "err", err)
		return struct{}{}, err
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("downloading the archive: %w", context.Cause(ctx))
	}
	return err
}

// broken reports whether err is of a download that may go well the next time.
func broken(err error) bool {
	return errors.Is(err, archive.ErrCut) || errors.Is(err, vaultapi.ErrUnreachable)
}

// once downloads the archive.
func (r *run) once(ctx context.Context) (err error) {
	r.texts = map[string][]byte{}
	r.asOf = time.Now()
	body, err := r.sess.Download(ctx, snapshotPath)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return archive.Read(body, func(name string, size int64, from io.Reader) error {
		if name == StateName {
			return r.state(ctx, size, from)
		}
		return r.small(name, from)
	})
}

// small keeps a small member until all are proven.
func (r *run) small(name string, from io.Reader) error {
	text, err := io.ReadAll(from) // archive.MaxSmall bounds it
	if err != nil {
		return err
	}
	if name == MetaName {
		if r.meta, err = ParseMeta(text); err != nil {
			return err
		}
	}
	r.texts[name] = text
	return nil
}

// state writes state.bin to its stream and counts its entries on the way. From here on there is no way back.
func (r *run) state(ctx context.Context, size int64, from io.Reader) error {
	if size != r.meta.Size {
		return fmt.Errorf("reading %s: %w: it has %d bytes, and %s says %d", StateName, ErrArchive, size, MetaName, r.meta.Size)
	}
	if err := r.open(ctx, size); err != nil {
		return err
	}
	entries := state.NewReader(io.TeeReader(from, r.streams[StateName]))
	var counter state.Counter
	for {
		e, err := entries.Next()
		if err == io.EOF {
			break
		}
		if errors.Is(err, state.ErrMalformed) {
			return fmt.Errorf("reading %s: %w: %w", StateName, ErrArchive, err)
		}
		if err != nil {
			return err
		}
		counter.Add(e)
	}
	r.facts.Census = counter.Census()
	r.entries = r.facts.Census.Entries
	return nil
}

// open opens all streams, in the order of the archive.
func (r *run) open(ctx context.Context, size int64) error {
	r.streams = map[string]snapshot.StreamWriter{}
	for _, name := range archive.Names {
		s := snapshot.Stream{Name: name, Format: Formats[name]}
		if name == StateName {
			s.Size = size
		}
		w, err := r.d.Stream(ctx, s)
		if err != nil {
			return err
		}
		r.streams[name] = w
	}
	return nil
}

// seal writes the small members and ends all streams. The entries are those of state.bin: the other members
// count none.
func (r *run) seal(ctx context.Context) error {
	for _, name := range archive.Names {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		w := r.streams[name]
		if name == StateName {
			if err := w.Seal(r.entries, r.facts); err != nil {
				return err
			}
			continue
		}
		if _, err := io.Copy(w, bytes.NewReader(r.texts[name])); err != nil {
			return err
		}
		if err := w.Seal(0, nil); err != nil {
			return err
		}
	}
	return nil
}

// about tells what the archive came from: the node that sent it, which need not be the first one asked.
func (r *run) about() {
	st := r.sess.Status()
	f := &r.facts
	f.ClusterID, f.ClusterName = st.ClusterID, st.ClusterName
	f.Product, f.Version = st.Product, st.Version
	f.SealType, f.Shares, f.Threshold, f.RecoverySeal = st.SealType, st.Shares, st.Threshold, st.RecoverySeal
	f.Index, f.Term, f.Address = r.meta.Index, r.meta.Term, r.sess.Address()
	r.d.About(snapshot.About{AsOf: r.asOf, Server: snapshot.Server{
		Product: f.Product, Version: f.Version,
		Facts: map[string]string{
			"cluster_id": f.ClusterID, "seal": f.SealType,
			"shares": strconv.Itoa(f.Shares), "threshold": strconv.Itoa(f.Threshold),
		},
	}})
}
