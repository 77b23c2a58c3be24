package snapshot

import (
	"bytes"
	"context"
	"encoding/base64"
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
// each stream must be once it is put together. Only the epoch's identity opens it.
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

// ReadContents reads, checks and opens the contents of m with the epoch's identity.
func ReadContents(ctx context.Context, s getter, m *Manifest, epoch age.Identity) (*Contents, error) {
	key := ContentsKey(m.Vault, m.ID)
	body, err := ReadBlob(ctx, s, key, m.Contents)
	if err != nil {
		return nil, err
	}
	text, err := pack.Decrypt(bytes.NewReader(body), maxContents, epoch)
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

// A chunkList is written as [[pack, offset, length, plain, "id"], ...]: one short array a
// chunk, since a large vault has millions of them.
type chunkList []pack.Ref

// MarshalJSON implements json.Marshaler.
func (l chunkList) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+len(l)*80)
	b = append(b, '[')
	for i, r := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "[%d,%d,%d,%d,\"", r.Pack, r.Offset, r.Length, r.Plain)
		b = base64.StdEncoding.AppendEncode(b, r.ID[:])
		b = append(b, '"', ']')
	}
	return append(b, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler. It decodes one row at a time, so that a list
// costs no more memory than its refs.
func (l *chunkList) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	*l = nil
	for d.More() {
		var r pack.Ref
		var id []byte
		row := [...]any{&r.Pack, &r.Offset, &r.Length, &r.Plain, &id}
		cells := row[:]
		if err := d.Decode(&cells); err != nil {
			return fmt.Errorf("chunk %d: %w", len(*l), err)
		}
		if len(cells) != len(row) || len(id) != len(r.ID) {
			return fmt.Errorf("chunk %d is malformed", len(*l))
		}
		copy(r.ID[:], id)
		*l = append(*l, r)
	}
	_, err := d.Token()
	return err
}
