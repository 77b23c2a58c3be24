package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"

	"holdfast/snapshot/pack"
)

// known is what a vault's indexes say is stored already, checked against a LIST of its
// packs: what is missing or has the wrong size is not known, and so is stored again.
type known struct {
	chunks  map[pack.ID]knownChunk
	packs   []pack.Info
	present map[pack.Sum]int64
	live    map[Digest]int64 // of the newest index that says
	indexes int
}

type knownChunk struct{ pack, offset, length, plain uint32 }

// A survey reads what known needs.
type survey struct {
	store   Store
	cache   *Cache
	vault   string
	epoch   string
	key     pack.Key
	ids     []age.Identity // the host's
	suspect map[pack.Sum]bool
	log     *slog.Logger
}

// run lists packs and indexes and reads the indexes of the epoch, most of them from the cache.
func (s survey) run(ctx context.Context) (*known, error) {
	k := &known{chunks: map[pack.ID]knownChunk{}, present: map[pack.Sum]int64{}}
	for o, err := range s.store.List(ctx, PacksPrefix(s.vault)) {
		if err != nil {
			return nil, fmt.Errorf("listing packs: %w", err)
		}
		if sum, ok := parsePackKey(s.vault, o.Key); ok {
			k.present[sum] = o.Size
		}
	}
	indexes, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range indexes {
		if x != nil && x.Live != nil {
			k.live = x.Live
		}
	}
	for _, x := range indexes {
		if x != nil {
			k.add(x, s.suspect)
			k.indexes++
		}
	}
	return k, nil
}

// read reads every index in order of time; those that are not this host's, or damaged, are
// nil: what is not known is stored again.
func (s survey) read(ctx context.Context) ([]*index, error) {
	var objects []Object
	for o, err := range s.store.List(ctx, IndexesPrefix(s.vault)) {
		if err != nil {
			return nil, fmt.Errorf("listing indexes: %w", err)
		}
		if _, _, ok := parseIndexKey(s.vault, o.Key); ok && o.Size <= maxIndex {
			objects = append(objects, o)
		}
	}
	slices.SortFunc(objects, func(a, b Object) int { return compareIndexKeys(s.vault, a.Key, b.Key) })
	indexes := make([]*index, len(objects))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, o := range objects {
		g.Go(func() (err error) {
			indexes[i], err = s.one(ctx, o)
			return err
		})
	}
	err := g.Wait()
	s.cache.keep(s.vault, "indexes", objects)
	return indexes, err
}

func compareIndexKeys(vault, a, b string) int {
	ida, na, _ := parseIndexKey(vault, a)
	idb, nb, _ := parseIndexKey(vault, b)
	if c := strings.Compare(string(ida), string(idb)); c != 0 {
		return c
	}
	return na - nb
}

func (s survey) one(ctx context.Context, o Object) (*index, error) {
	run, n, _ := parseIndexKey(s.vault, o.Key)
	var x *index
	var refused error
	err := s.cache.read(ctx, s.store, s.vault, "indexes", o, func(body []byte) error {
		x, refused = decodeIndex(body, s.key, s.ids...)
		if refused == nil {
			refused = x.belongs(s.vault, run, n)
		}
		return refused
	})
	var foreign *age.NoIdentityMatchError
	switch {
	case refused == nil && err != nil:
		return nil, fmt.Errorf("reading %s: %w", o.Key, err)
	case errors.As(refused, &foreign), errors.Is(refused, errForeignIndex):
		s.log.Debug("passing over another host's index", "key", o.Key)
		return nil, nil
	case refused != nil:
		s.log.Warn("passing over an index", "key", o.Key, "err", refused)
		return nil, nil
	case x.Epoch != s.epoch:
		return nil, nil
	}
	return x, nil
}

// add takes over the chunks of x. A later index wins, so that a chunk which was stored afresh
// out of a mostly dead pack is found in its new one.
func (k *known) add(x *index, suspect map[pack.Sum]bool) {
	for _, p := range x.Packs {
		sum := pack.Sum(p.Pack)
		size, ok := k.present[sum]
		if !ok || size != p.Size || suspect[sum] || k.mostlyDead(p.Pack, size) {
			continue
		}
		at := uint32(len(k.packs))
		k.packs = append(k.packs, pack.Info{Sum: sum, Size: size})
		for _, c := range p.Chunks {
			k.chunks[c.ID] = knownChunk{at, c.Offset, c.Length, c.Plain}
		}
	}
}

// mostlyDead reports whether the last snapshot used less than half of a pack, if that is
// known. Its live chunks are then stored afresh, and the old pack goes whole one day: this is
// how space comes back although no key is at hand to rewrite packs. A pack that the last
// snapshot did not use at all costs nothing to keep using.
func (k *known) mostlyDead(p Digest, size int64) bool {
	live, ok := k.live[p]
	return ok && live*2 < size-packOverhead
}

// packOverhead is about what an age header and the smallest padding take, so that small packs
// with nothing dead in them do not look dead.
const packOverhead = 4 << 10

// lookup is pack.WriterOptions.Known.
func (k *known) lookup(id pack.ID) (pack.Place, bool) {
	c, ok := k.chunks[id]
	if !ok {
		return pack.Place{}, false
	}
	p := k.packs[c.pack]
	return pack.Place{Pack: p.Sum, Size: p.Size, Offset: c.offset, Length: c.length, Plain: c.plain}, true
}

// An indexer collects finished packs and stores an index after every few of them, so that a
// run which is killed loses little of what it stored.
type indexer struct {
	store func(ctx context.Context, n int, x *index) (Blob, error)

	mu      sync.Mutex
	pending []indexPack
	blobs   []Blob
}

// add notes a stored pack and stores an index when enough are pending.
func (x *indexer) add(ctx context.Context, s pack.Stored) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := indexPack{Pack: Digest(s.Sum), Size: s.Size, Chunks: make(chunkList, len(s.Chunks))}
	for i, c := range s.Chunks {
		p.Chunks[i] = pack.Ref{Offset: c.Offset, Length: c.Length, Plain: c.Plain, ID: c.ID}
	}
	x.pending = append(x.pending, p)
	if len(x.pending) < x.due() {
		return nil
	}
	return x.flush(ctx, nil)
}

// due grows with the number of indexes, so that the manifest, which lists them, stays small:
// 512 of them cover a terabyte.
func (x *indexer) due() int { return 4 * (1 + len(x.blobs)/8) }

// flush stores what is pending, with live as the account of the whole snapshot, if given.
func (x *indexer) flush(ctx context.Context, live map[Digest]int64) error {
	if len(x.pending) == 0 && live == nil {
		return nil
	}
	for i := range x.pending {
		for j := range x.pending[i].Chunks {
			x.pending[i].Chunks[j].Pack = uint32(i)
		}
	}
	b, err := x.store(ctx, len(x.blobs), &index{Packs: x.pending, Live: live})
	if err != nil {
		return err
	}
	x.blobs, x.pending = append(x.blobs, b), nil
	return nil
}

// finish stores the last index of a run. A live account that says nothing new is left out.
func (x *indexer) finish(ctx context.Context, live, before map[Digest]int64) ([]Blob, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if maps.Equal(live, before) {
		live = nil
	}
	err := x.flush(ctx, live)
	return x.blobs, err
}
