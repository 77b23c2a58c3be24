package barrier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"holdfast/snapshot/source/raft/state"
)

// getVersioned reads state.bin once, since keys come in rising order: metadata, then the salt that makes
// the keys of versions, then versions. It reads it a second time if they came otherwise.
func (v *KV) getVersioned(ctx context.Context, m Mount, path string) (Secret, error) {
	g := getting{kv: v, storage: m.storage(), path: path}
	if err := v.pass(ctx, g.visit); err != nil {
		return Secret{}, err
	}
	if g.secret == nil {
		return Secret{}, fs.ErrNotExist
	}
	if len(g.wanted()) > 0 {
		if err := v.pass(ctx, g.visit); err != nil {
			return Secret{}, err
		}
	}
	for _, i := range g.wanted() {
		g.secret.Versions[i].Lost = true
	}
	return *g.secret, nil
}

// getting is one secret of version 2 that is being read.
type getting struct {
	kv      *KV
	storage string
	path    string
	secret  *Secret // nil until its metadata was found
	salt    []byte
	want    map[string]int // which version is at a key, once secret and salt are known
}

func (g *getting) visit(e state.Entry) error {
	rest, ok := strings.CutPrefix(e.Key, g.storage)
	if !ok {
		return nil
	}
	switch part, _, _ := strings.Cut(rest, "/"); part {
	case "upgrading":
		return g.kv.upgraded(e)
	case "metadata":
		return g.visitMetadata(e)
	case "salt":
		return g.visitSalt(e)
	case "versions":
		return g.visitVersion(e)
	}
	return nil
}

func (g *getting) visitMetadata(e state.Entry) error {
	if g.secret != nil {
		return nil
	}
	s, err := g.kv.metadata(e)
	if err != nil {
		return err
	}
	if s.Path == g.path {
		g.secret = &s
		g.name()
	}
	return nil
}

func (g *getting) visitSalt(e state.Entry) (err error) {
	if g.salt == nil {
		g.salt, err = g.kv.decrypt(e)
		g.name()
	}
	return err
}

// name finds out at which keys the versions are: a salted hash of path and number.
func (g *getting) name() {
	if g.secret == nil || g.salt == nil {
		return
	}
	g.want = map[string]int{}
	for i, v := range g.secret.Versions {
		sum := sha256.Sum256(slices.Concat(g.salt, []byte(g.secret.Path+"|"+strconv.FormatUint(v.Number, 10))))
		id := hex.EncodeToString(sum[:])
		g.want[g.storage+"versions/"+id[:3]+"/"+id[3:]] = i
	}
}

func (g *getting) visitVersion(e state.Entry) error {
	i, ok := g.want[e.Key]
	if !ok {
		return nil
	}
	plain, err := g.kv.decrypt(e)
	if err != nil {
		return err
	}
	if g.secret.Versions[i].Data, err = parseData(plain); err != nil {
		return fmt.Errorf("reading version %d: %w", g.secret.Versions[i].Number, err)
	}
	return nil
}

// wanted returns the versions that should have data and have none yet.
func (g *getting) wanted() []int {
	var list []int
	for i, v := range g.secret.Versions {
		if v.Data == nil && !v.Destroyed {
			list = append(list, i)
		}
	}
	return list
}

// upgraded looks at the note that an upgrade from version 1 leaves, and every new mount has.
func (v *KV) upgraded(e state.Entry) error {
	plain, err := v.decrypt(e)
	if err != nil {
		return err
	}
	done := false
	err = fields(plain, func(f wireField) error {
		done = done || f.number == 2 && f.varint != 0
		return nil
	})
	if err == nil && !done {
		err = ErrUpgrading
	}
	return err
}
