package restore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"

	"filippo.io/age"

	"holdfast/snapshot"
	"holdfast/snapshot/pack"
)

// A fetcher is what reading a snapshot needs of a store.
type fetcher interface {
	Get(ctx context.Context, key string, r snapshot.Range) (io.ReadCloser, error)
}

// A Snapshot is an opened snapshot. It implements Dump.
type Snapshot struct {
	Manifest *snapshot.Manifest
	Contents *snapshot.Contents
	Epoch    age.Identity

	packs    *pack.Reader
	progress snapshot.Progress
}

// Open unlocks m with one of ids and reads its contents. Wrong identities are an error
// matching *age.NoIdentityMatchError, anything altered one matching snapshot.ErrDamaged.
func Open(ctx context.Context, s fetcher, m *snapshot.Manifest, t snapshot.Trust, p snapshot.Progress, ids ...age.Identity) (*Snapshot, error) {
	epoch, err := snapshot.ReadEpoch(ctx, s, m.Repository, m.Vault, m.Epoch, t)
	if err != nil {
		return nil, fmt.Errorf("opening snapshot %s of %s: %w", m.ID, m.Vault, err)
	}
	identity, err := epoch.Unlock(ids...)
	if err != nil {
		return nil, fmt.Errorf("opening snapshot %s of %s: %w", m.ID, m.Vault, err)
	}
	c, err := snapshot.ReadContents(ctx, s, m, identity)
	if err != nil {
		return nil, fmt.Errorf("opening snapshot %s of %s: %w", m.ID, m.Vault, err)
	}
	r, err := pack.NewReader(pack.ReaderOptions{Identity: identity, Key: c.Key(), Packs: c.Table(), Fetch: packFetcher{s, m.Vault}})
	if err != nil {
		return nil, fmt.Errorf("opening snapshot %s of %s: %w", m.ID, m.Vault, err)
	}
	for _, st := range c.Streams {
		if err := r.CheckRefs(st.Refs()); err != nil {
			return nil, fmt.Errorf("opening snapshot %s of %s: %w", m.ID, m.Vault,
				&snapshot.Damage{Key: snapshot.ContentsKey(m.Vault, m.ID), Cause: err})
		}
	}
	return &Snapshot{Manifest: m, Contents: c, Epoch: identity, packs: r, progress: p}, nil
}

// Streams implements Dump.
func (s *Snapshot) Streams() []snapshot.StreamInfo {
	list := make([]snapshot.StreamInfo, len(s.Contents.Streams))
	for i, st := range s.Contents.Streams {
		list[i] = st.StreamInfo
	}
	return list
}

// Open implements Dump.
func (s *Snapshot) Open(ctx context.Context, stream string) (io.ReadCloser, error) {
	st, err := s.find(stream)
	if err != nil {
		return nil, err
	}
	s.progress.Report(snapshot.Step{Name: stream, Total: st.Bytes})
	return &verdict{r: s.packs.Open(ctx, st.Refs()), snapshot: s, info: st.StreamInfo, sum: sha256.New()}, nil
}

// OpenRange implements Dump.
func (s *Snapshot) OpenRange(ctx context.Context, stream string, offset, length int64) (io.ReadCloser, error) {
	st, err := s.find(stream)
	if err != nil {
		return nil, err
	}
	if offset < 0 || length < 0 || offset > st.Bytes-length {
		return nil, fmt.Errorf("reading %d bytes of stream %q from %d: it has %d", length, stream, offset, st.Bytes)
	}
	r := s.packs.OpenRange(ctx, st.Refs(), offset, length)
	return &named{r, s, stream}, nil
}

func (s *Snapshot) find(stream string) (snapshot.ContentsStream, error) {
	for _, st := range s.Contents.Streams {
		if st.Name == stream {
			return st, nil
		}
	}
	return snapshot.ContentsStream{}, fmt.Errorf("snapshot %s of %s has no stream %q", s.Manifest.ID, s.Manifest.Vault, stream)
}

// ReadPacks decrypts and decompresses every chunk that the snapshot has in the packs of list, in no
// stream's order: for checking a sample, where no stream is whole.
func (s *Snapshot) ReadPacks(ctx context.Context, list []pack.Info) error {
	wanted := make(map[pack.Sum]bool, len(list))
	for _, p := range list {
		wanted[p.Sum] = true
	}
	table := s.Contents.Table()
	byPack := map[uint32][]pack.Ref{}
	for _, st := range s.Contents.Streams {
		for _, r := range st.Refs() {
			if wanted[table[r.Pack].Sum] {
				byPack[r.Pack] = append(byPack[r.Pack], r)
			}
		}
	}
	var refs []pack.Ref
	for _, p := range slices.Sorted(maps.Keys(byPack)) {
		refs = append(refs, byPack[p]...)
	}
	r := s.packs.Open(ctx, refs)
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); err != nil {
		return s.name("sample", err)
	}
	return nil
}

// name turns the pack reader's damage into damage of the repository's object.
func (s *Snapshot) name(stream string, err error) error {
	var d *pack.Damage
	if errors.As(err, &d) {
		err = &snapshot.Damage{Key: snapshot.PackKey(s.Manifest.Vault, d.Pack), Cause: d.Cause}
	}
	return fmt.Errorf("reading stream %q of snapshot %s: %w", stream, s.Manifest.ID, err)
}

// verdict reads a whole stream and lets io.EOF through only if it was what was dumped.
type verdict struct {
	r        io.ReadCloser
	snapshot *Snapshot
	info     snapshot.StreamInfo
	sum      hash.Hash
	n        int64
	err      error
}

func (v *verdict) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.r.Read(p)
	v.sum.Write(p[:n])
	v.n += int64(n)
	v.snapshot.progress.Report(snapshot.Step{Name: v.info.Name, Total: v.info.Bytes, Bytes: int64(n)})
	if err == nil {
		return n, nil
	}
	v.err = v.judge(err)
	return n, v.err
}

func (v *verdict) judge(err error) error {
	if err != io.EOF {
		return v.snapshot.name(v.info.Name, err)
	}
	if got := snapshot.Digest(v.sum.Sum(nil)); v.n != v.info.Bytes || got != v.info.SHA256 {
		m := v.snapshot.Manifest
		return snapshot.Damaged(snapshot.ContentsKey(m.Vault, m.ID), "stream %q is %d bytes with SHA-256 %s instead of %d with %s",
			v.info.Name, v.n, got, v.info.Bytes, v.info.SHA256)
	}
	v.snapshot.progress.Report(snapshot.Step{Name: v.info.Name, Total: v.info.Bytes, Done: true})
	return io.EOF
}

func (v *verdict) Close() error { return v.r.Close() }

// named names what a range read found.
type named struct {
	io.ReadCloser
	snapshot *Snapshot
	stream   string
}

func (n *named) Read(p []byte) (int, error) {
	k, err := n.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = n.snapshot.name(n.stream, err)
	}
	return k, err
}

// packFetcher gets packs of one vault.
type packFetcher struct {
	store fetcher
	vault string
}

func (f packFetcher) Fetch(ctx context.Context, sum pack.Sum, offset, length int64) (io.ReadCloser, error) {
	return f.store.Get(ctx, snapshot.PackKey(f.vault, sum), snapshot.Range{Offset: offset, Length: length})
}
