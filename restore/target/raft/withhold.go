package raft

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/raft/archive"
	"holdfast/snapshot/source/raft/state"
)

// What a scratch server does not get. With its leases it would revoke, within seconds, every one that
// has run out since the snapshot: drop users of production databases. With its audit devices it
// would write into logs of the machine it is on, or stay sealed where it cannot. By the record of who
// leads it would first look for the leader of production.
var withheld = []string{"sys/expire/", "core/audit", "core/local-audit", "core/leader/", "core/lock"}

func withholds(key string) bool { return hasAnyPrefix(within(key), withheld) }

// passive are the types of secrets engines that do nothing at other systems unless they are asked to.
var passive = []string{"kv", "generic", "cubbyhole", "system", "identity", "token", "transit", "totp", "ssh", "pki"}

// ErrReaches means that a scratch server would come up with engines that act by themselves, and a way to what they
// act on: one for databases changes passwords in production as soon as the snapshot says that it is time to.
var ErrReaches = errors.New("the snapshot has secrets engines that change other systems by themselves, and this process may not keep the scratch server off the network; run the drill as root or without unseal shares")

// acting names the secrets engines that are not known to be passive, plugins of the user's own among them.
func acting(mounts []barrier.Mount) []string {
	return typed(slices.DeleteFunc(slices.Clone(mounts), func(m barrier.Mount) bool {
		return slices.Contains(passive, strings.TrimPrefix(m.Type, "ns_"))
	}))
}

// A thinning is state.bin without what is withheld: its length and sum, which come before it in the
// archive or behind, are found in one pass, its bytes are made in another.
type thinning struct {
	sum    hash.Hash
	size   int64
	leases int64 // withheld
	buf    []byte
}

func newThinning() *thinning { return &thinning{sum: sha256.New()} }

// add takes in one entry, in the order of the dump.
func (t *thinning) add(e state.Entry) error {
	if withholds(e.Key) {
		if kind, _ := state.Classify(e.Key); kind == state.KindLease {
			t.leases++
		}
		return nil
	}
	t.buf = appendEntry(t.buf[:0], e)
	t.size += int64(len(t.buf))
	t.sum.Write(t.buf)
	return nil
}

// appendEntry appends e as state.bin has it.
func appendEntry(b []byte, e state.Entry) []byte {
	n := protowire.SizeTag(1) + protowire.SizeBytes(len(e.Key))
	if len(e.Value) > 0 {
		n += protowire.SizeTag(2) + protowire.SizeBytes(len(e.Value))
	}
	if e.SealWrap {
		n += protowire.SizeTag(3) + 1
	}
	b = binary.AppendUvarint(b, uint64(n))
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendString(b, e.Key)
	if len(e.Value) > 0 {
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendBytes(b, e.Value)
	}
	if e.SealWrap {
		b = protowire.AppendTag(b, 3, protowire.VarintType)
		b = protowire.AppendVarint(b, 1)
	}
	return b
}

// members are those of an archive that holds what t kept. The server is not asked to open its sealed
// sums, which are those of the whole.
func (t *thinning) members(ctx context.Context, d restore.Dump, w *whole, progress snapshot.Progress) ([]archive.Member, error) {
	meta, err := resized(w.small[raft.MetaName], t.size)
	if err != nil {
		return nil, err
	}
	sums := fmt.Appendf(nil, "%x  %s\n%x  %s\n", sha256.Sum256(meta), raft.MetaName, t.sum.Sum(nil), raft.StateName)
	open := func() (io.ReadCloser, error) { return t.open(ctx, d, progress) }
	return []archive.Member{
		inMemory(raft.MetaName, meta),
		{Name: raft.StateName, Size: t.size, Open: open},
		inMemory(raft.SumsName, sums),
		inMemory(raft.SealedName, w.small[raft.SealedName]),
	}, nil
}

func inMemory(name string, b []byte) archive.Member {
	return archive.Member{Name: name, Size: int64(len(b)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b)), nil
	}}
}

// resized is meta.json with another size of state.bin and all else as it was.
func resized(meta []byte, size int64) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(meta, &fields); err != nil {
		return nil, snapshot.Damaged(raft.MetaName, "%w", err)
	}
	fields["Size"] = fmt.Append(nil, size)
	return json.Marshal(fields)
}

// open makes the bytes of the thinned state.bin again.
func (t *thinning) open(ctx context.Context, d restore.Dump, progress snapshot.Progress) (io.ReadCloser, error) {
	in, err := openState(ctx, d, progress)
	if err != nil {
		return nil, err
	}
	return &thinned{in: in, from: state.NewReader(in)}, nil
}

// thinned reads a state.bin without what is withheld.
type thinned struct {
	in   io.ReadCloser
	from *state.Reader
	buf  []byte // of one entry, made
	left []byte // of buf
}

func (t *thinned) Read(p []byte) (int, error) {
	for len(t.left) == 0 {
		e, err := t.from.Next()
		if err != nil {
			return 0, err
		}
		if withholds(e.Key) {
			continue
		}
		t.buf = appendEntry(t.buf[:0], e)
		t.left = t.buf
	}
	n := copy(p, t.left)
	t.left = t.left[n:]
	return n, nil
}

func (t *thinned) Close() error { return t.in.Close() }
