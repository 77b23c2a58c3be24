package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"holdfast/cmd/holdfast/config"
	"holdfast/restore"
	rafttarget "holdfast/restore/target/raft"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/raft"
)

// A library reads single secrets out of a snapshot.
type library interface {
	mounts(ctx context.Context) ([]string, error)
	list(ctx context.Context, mount string) ([]string, error)
	get(ctx context.Context, mount, path string) (json.RawMessage, error)
}

// secretPath cuts kv:MOUNT/PATH, as cat takes it.
func secretPath(stream string) (path string, ok bool) { return strings.CutPrefix(stream, "kv:") }

// catSecret writes one secret with all its versions as a line of JSON, or, of a path that ends in a
// slash or is empty, the paths of all secrets below it.
func (a *app) catSecret(ctx context.Context, s *session, snap *restore.Snapshot, path string, o catOptions) error {
	if o.length > 0 {
		return misuse(errors.New("--length is for streams, and kv: names a secret"))
	}
	lib, err := s.library(ctx, snap, o.unseal)
	if err != nil {
		return err
	}
	mounts, err := lib.mounts(ctx)
	if err != nil {
		return err
	}
	if path == "" || strings.HasSuffix(path, "/") {
		return a.listSecrets(ctx, lib, mounts, path)
	}
	for _, mount := range mounts {
		name, inside := strings.CutPrefix(path, mount+"/")
		if !inside {
			continue
		}
		secret, err := lib.get(ctx, mount, name)
		if errors.Is(err, fs.ErrNotExist) {
			return noSecret(path, "")
		}
		if err != nil {
			return err
		}
		a.printed = true // JSON, whatever --json says
		a.printf("%s\n", bytes.TrimSpace(secret))
		return a.writeErr
	}
	return noSecret(path, " has no mount there, only "+strings.Join(mounts, ", "))
}

func noSecret(path, why string) error {
	return advise(fmt.Errorf("looking for secret %q: the snapshot%s", path, cmp.Or(why, " has none of this name")), "`holdfast cat ID kv:` lists them")
}

func (a *app) listSecrets(ctx context.Context, lib library, mounts []string, prefix string) error {
	paths := []string{}
	for _, mount := range mounts {
		if !strings.HasPrefix(mount+"/", prefix) && !strings.HasPrefix(prefix, mount+"/") {
			continue
		}
		list, err := lib.list(ctx, mount)
		if err != nil {
			return err
		}
		for _, p := range list {
			if p = mount + "/" + p; strings.HasPrefix(p, prefix) {
				paths = append(paths, p)
			}
		}
	}
	if len(paths) == 0 {
		return noSecret(prefix, " has nothing below it")
	}
	slices.Sort(paths)
	return a.print(map[string]any{"secrets": paths}, func() {
		for _, p := range paths {
			a.printf("%s\n", visible(p))
		}
	})
}

// library opens what secrets a snapshot has.
func (s *session) library(ctx context.Context, snap *restore.Snapshot, unseal []string) (library, error) {
	switch m := snap.Manifest; m.Kind {
	case config.KindKV:
		if len(unseal) > 0 {
			return nil, misuse(errors.New("--unseal is for vaults of kind raft: secrets of kind kv are read as they are"))
		}
		return kvLibrary{snap}, nil
	case config.KindRaft:
		read := s.sharesFrom(ctx, unseal, config.Secret{})
		if read == nil {
			return nil, &usage{message: "secrets in a Raft snapshot are encrypted by the cluster", hint: "give its unseal shares with --unseal"}
		}
		return openBarrier(ctx, snap, read)
	default:
		return nil, misuse(fmt.Errorf("kv: names secrets of vaults of the kinds raft and kv; %s is of kind %s", m.Vault, m.Kind))
	}
}

// raftLibrary reads secrets out of a cluster's storage.
type raftLibrary struct{ *barrier.KV }

func openBarrier(ctx context.Context, d restore.Dump, s shares) (library, error) {
	_, keyring, err := rafttarget.Unseal(ctx, d, s)
	if err != nil {
		return nil, err
	}
	secrets, err := keyring.KV(ctx, func() (io.ReadCloser, error) { return d.Open(ctx, raft.StateName) }, nil)
	return raftLibrary{secrets}, err
}

func (l raftLibrary) mounts(context.Context) ([]string, error) {
	var list []string
	for _, m := range l.Mounts() {
		list = append(list, strings.TrimSuffix(m.Namespace+"/"+m.Path, "/"))
		if m.Namespace == "" {
			list[len(list)-1] = strings.TrimSuffix(m.Path, "/")
		}
	}
	return list, nil
}

func (l raftLibrary) list(ctx context.Context, mount string) ([]string, error) {
	return l.List(ctx, mount, "")
}

func (l raftLibrary) get(ctx context.Context, mount, path string) (json.RawMessage, error) {
	secret, err := l.Get(ctx, mount, path)
	if err != nil {
		return nil, err
	}
	return plainJSON(secret)
}

// kvLibrary reads secrets of a KV vault: the index of a mount, and of its lines one.
type kvLibrary struct{ dump restore.Dump }

func (l kvLibrary) mounts(context.Context) ([]string, error) {
	facts, err := kv.Mounts(l.dump.Streams())
	if err != nil {
		return nil, err
	}
	var list []string
	for _, f := range facts {
		list = append(list, f.Mount)
	}
	return list, nil
}

func (l kvLibrary) list(ctx context.Context, mount string) ([]string, error) {
	var list []string
	err := l.places(ctx, mount, func(p kv.Place) { list = append(list, p.Path) })
	return list, err
}

// places reads a mount's index to its end, so that none of it counts if a part is damaged.
func (l kvLibrary) places(ctx context.Context, mount string, each func(kv.Place)) error {
	info, err := restore.Find(l.dump, kv.IndexStream(mount))
	if err != nil {
		return err
	}
	r, err := l.dump.OpenRange(ctx, info.Name, 0, info.Bytes) // of the packs it is in, this part alone
	if err != nil {
		return err
	}
	defer r.Close()
	index := kv.NewIndexReader(mount, r)
	for {
		p, err := index.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		each(p)
	}
}

func (l kvLibrary) get(ctx context.Context, mount, path string) (json.RawMessage, error) {
	var at *kv.Place
	if err := l.places(ctx, mount, func(p kv.Place) {
		if p.Path == path {
			at = &p
		}
	}); err != nil {
		return nil, err
	}
	if at == nil {
		return nil, fmt.Errorf("looking for secret %q of %s: %w", path, mount, fs.ErrNotExist)
	}
	r, err := l.dump.OpenRange(ctx, kv.LinesStream(mount), at.Offset, at.Length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	line, err := kv.ReadLine(r, *at, nil)
	if err != nil {
		return nil, fmt.Errorf("reading secret %q of %s: %w", path, mount, err)
	}
	facts, err := kv.Mounts(l.dump.Streams())
	if err != nil {
		return nil, err
	}
	for _, f := range facts {
		if f.Mount != mount {
			continue
		}
		secret, err := kv.ParsePlace(f, *at, line)
		if err != nil {
			return nil, err
		}
		if f.Version == 1 { // in the form of all others: versions, of which there is one
			return plainJSON(map[string]any{"path": path, "versions": []any{map[string]any{"data": secret.Data}}})
		}
	}
	return line, nil
}

// plainJSON encodes v without turning <, > and & into escapes: values are to be read.
func plainJSON(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
