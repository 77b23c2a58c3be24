package raft

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/raft/archive"
	"holdfast/snapshot/source/raft/state"
)

// A whole is a dump that was read from end to end and found to be what it was when it was dumped:
// an archive that a server takes.
type whole struct {
	facts   raft.Facts
	small   map[string][]byte // the members but state.bin
	state   int64             // bytes of state.bin
	entries int64
	census  state.Census
}

// prove reads all of d and tells each of every entry, in order.
func prove(ctx context.Context, d restore.Dump, progress snapshot.Progress, each func(state.Entry) error) (*whole, error) {
	f, err := facts(d)
	if err != nil {
		return nil, err
	}
	w := &whole{facts: f, small: map[string][]byte{}}
	for _, name := range []string{raft.MetaName, raft.SumsName, raft.SealedName} {
		if w.small[name], err = readSmall(ctx, d, name); err != nil {
			return nil, err
		}
	}
	sum, err := w.readState(ctx, d, progress, each)
	if err != nil {
		return nil, err
	}
	return w, errors.Join(w.checkSums(sum), w.checkMeta(), w.checkCounts(d))
}

// facts are what the source said of the server.
func facts(d restore.Dump) (raft.Facts, error) {
	info, err := restore.Find(d, raft.StateName)
	if err != nil {
		return raft.Facts{}, err
	}
	var f raft.Facts
	if err := json.Unmarshal(info.Facts, &f); err != nil {
		return raft.Facts{}, snapshot.Damaged(raft.StateName, "its facts: %w", err)
	}
	return f, nil
}

func readSmall(ctx context.Context, d restore.Dump, name string) ([]byte, error) {
	r, err := d.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, archive.MaxSmall+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, err)
	case len(b) > archive.MaxSmall:
		return nil, snapshot.Damaged(name, "it is larger than %d bytes", archive.MaxSmall)
	case len(b) == 0:
		return nil, snapshot.Damaged(name, "it is empty")
	}
	return b, nil
}

func (w *whole) readState(ctx context.Context, d restore.Dump, progress snapshot.Progress, each func(state.Entry) error) (sum [sha256.Size]byte, err error) {
	in, err := openState(ctx, d, progress)
	if err != nil {
		return sum, err
	}
	defer in.Close()
	hash := sha256.New()
	size := new(counter)
	entries := state.NewReader(io.TeeReader(in, io.MultiWriter(hash, size)))
	var count state.Counter
	for {
		e, err := entries.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return sum, fmt.Errorf("reading %s: %w", raft.StateName, damagedUnless(err))
		}
		count.Add(e)
		if each == nil {
			continue
		}
		if err := each(e); err != nil {
			return sum, err
		}
	}
	w.census = count.Census()
	w.state, w.entries = int64(*size), w.census.Entries
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// damagedUnless makes a state.bin that does not parse the damage that it is: it parsed when it was dumped.
func damagedUnless(err error) error {
	if errors.Is(err, state.ErrMalformed) && !errors.Is(err, snapshot.ErrDamaged) {
		return snapshot.Damaged(raft.StateName, "%w", err)
	}
	return err
}

// checkSums compares the members with what SHA256SUMS says of them.
func (w *whole) checkSums(stateSum [sha256.Size]byte) error {
	want := map[string]string{
		fmt.Sprintf("%x  %s", sha256.Sum256(w.small[raft.MetaName]), raft.MetaName): raft.MetaName,
		fmt.Sprintf("%x  %s", stateSum, raft.StateName):                             raft.StateName,
	}
	for line := range bytes.Lines(w.small[raft.SumsName]) {
		line, ended := strings.CutSuffix(string(line), "\n")
		if _, ok := want[line]; !ok || !ended {
			return snapshot.Damaged(raft.SumsName, "a sum is not that of its member")
		}
		delete(want, line)
	}
	for _, name := range want {
		return snapshot.Damaged(raft.SumsName, "it has no sum of %s", name)
	}
	return nil
}

func (w *whole) checkMeta() error {
	meta, err := raft.ParseMeta(w.small[raft.MetaName])
	if err != nil {
		return snapshot.Damaged(raft.MetaName, "%w", err)
	}
	if meta.Size != w.state {
		return snapshot.Damaged(raft.MetaName, "it says that %s has %d bytes, and it has %d", raft.StateName, meta.Size, w.state)
	}
	return nil
}

// checkCounts holds the recount against what the source counted.
func (w *whole) checkCounts(d restore.Dump) error {
	info, err := restore.Find(d, raft.StateName)
	if err != nil {
		return err
	}
	if info.Rows != w.entries {
		return snapshot.Damaged(raft.StateName, "%d entries instead of %d", w.entries, info.Rows)
	}
	if !sameCensus(w.census, w.facts.Census) {
		return snapshot.Damaged(raft.StateName, "its census is not the one made when it was dumped")
	}
	return nil
}

// sameCensus compares by group. A census of an older Holdfast may have fewer kinds, and so other groups; only
// those that both know by the same name can differ for a bad reason.
func sameCensus(a, b state.Census) bool {
	return a.Entries == b.Entries && a.Bytes == b.Bytes && reflect.DeepEqual(mounts(a), mounts(b))
}

// mounts counts the entries of each mount, of whatever kinds.
func mounts(c state.Census) map[string]int64 {
	m := map[string]int64{}
	for _, g := range c.Groups {
		m[g.UUID] += g.Entries
	}
	return m
}

// loaded is the recount as a target or checker reports it. Members other than state.bin have no rows of
// their own; they have those that the source gave them.
func (w *whole) loaded(d restore.Dump) []restore.LoadedStream {
	var list []restore.LoadedStream
	for _, s := range d.Streams() {
		l := restore.LoadedStream{Name: s.Name, Rows: s.Rows, Bytes: int64(len(w.small[s.Name]))}
		if s.Name == raft.StateName {
			l.Rows, l.Bytes = w.entries, w.state
		}
		list = append(list, l)
	}
	return list
}

// openState opens state.bin, which tells progress of what is read of it.
func openState(ctx context.Context, d restore.Dump, progress snapshot.Progress) (io.ReadCloser, error) {
	info, err := restore.Find(d, raft.StateName)
	if err != nil {
		return nil, err
	}
	r, err := d.Open(ctx, raft.StateName)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", raft.StateName, err)
	}
	return &observed{r, info, progress}, nil
}

// observed tells progress of what is read.
type observed struct {
	io.ReadCloser
	info     snapshot.StreamInfo
	progress snapshot.Progress
}

func (o *observed) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	o.progress.Report(snapshot.Step{Name: o.info.Name, Total: o.info.Bytes, Bytes: int64(n), Done: err != nil})
	return n, err
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
