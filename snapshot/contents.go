package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"filippo.io/age"

	"holdfast/snapshot/pack"
)

const typeContents = "holdfast/contents/1"

// Contents is the private part of a snapshot: where every chunk of every stream is, and what
// each stream must be once it is put together. The epoch's identity opens it, and so does the
// index key of the host that wrote it, which carries streams over into its next snapshot.
type Contents struct {
	Type       string           `json:"type"`
	Repository string           `json:"repository"`
	Vault      string           `json:"vault"`
	ID         ID               `json:"id"`
	Epoch      string           `json:"epoch"`
	AsOf       time.Time        `json:"data_as_of"`
	IDKey      []byte           `json:"id_key"` // pack.Key: proves a chunk without reading the rest of its pack
	Packs      []Blob           `json:"packs"`  // the table that chunks index
	Streams    []ContentsStream `json:"streams"`
}

// A ContentsStream is one stream and its chunks in order.
type ContentsStream struct {
	StreamInfo
	Chunks chunkList `json:"chunks"`
}

// Refs are the stream's chunks.
func (s ContentsStream) Refs() []pack.Ref { return s.Chunks }

// Key is the vault's chunk key in this snapshot.
func (c *Contents) Key() pack.Key { return pack.Key(c.IDKey) }

// Table is the pack table for a pack.Reader.
func (c *Contents) Table() []pack.Info {
	table := make([]pack.Info, len(c.Packs))
	for i, p := range c.Packs {
		table[i] = pack.Info{Sum: pack.Sum(p.SHA256), Size: p.Size}
	}
	return table
}

// ReadContents reads, checks and opens the contents of m with one of ids: the epoch's identity, or
// those of the host that wrote it. If none opens it, the error matches *age.NoIdentityMatchError.
func ReadContents(ctx context.Context, s getter, m *Manifest, ids ...age.Identity) (*Contents, error) {
	key := ContentsKey(m.Vault, m.ID)
	body, err := ReadBlob(ctx, s, key, m.Contents)
	if err != nil {
		return nil, err
	}
	text, err := pack.Decrypt(bytes.NewReader(body), maxContents, ids...)
	if err != nil {
		return nil, &Damage{Key: key, Cause: err}
	}
	c := &Contents{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, &Damage{Key: key, Cause: err}
	}
	if err := c.check(m); err != nil {
		return nil, &Damage{Key: key, Cause: err}
	}
	return c, nil
}

func (c *Contents) check(m *Manifest) error {
	if c.Type != typeContents || c.Repository != m.Repository || c.Vault != m.Vault || c.ID != m.ID || c.Epoch != m.Epoch {
		return fmt.Errorf("it belongs to snapshot %s of vault %q", c.ID, c.Vault)
	}
	if len(c.IDKey) != len(pack.Key{}) {
		return errors.New("malformed id key")
	}
	if len(c.Streams) != m.Totals.Streams {
		return fmt.Errorf("%d streams instead of %d", len(c.Streams), m.Totals.Streams)
	}
	seen := map[string]bool{}
	for _, st := range c.Streams {
		if !fs.ValidPath(st.Name) || seen[st.Name] {
			return fmt.Errorf("stream name %q", st.Name)
		}
		seen[st.Name] = true
		var plain int64
		for _, r := range st.Chunks {
			if int(r.Pack) >= len(c.Packs) {
				return fmt.Errorf("stream %q: a chunk in pack %d of %d", st.Name, r.Pack, len(c.Packs))
			}
			plain += int64(r.Plain)
		}
		if plain != st.Bytes {
			return fmt.Errorf("stream %q: chunks of %d bytes for %d", st.Name, plain, st.Bytes)
		}
	}
	return nil
}
