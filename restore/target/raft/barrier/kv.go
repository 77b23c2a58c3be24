package barrier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/state"
)

// A KV reads secrets of KV mounts out of a state.bin. Each List and each Get reads state.bin once, to
// its end, so that nothing is returned of one that turns out to be damaged; memory is bounded by
// what they return.
type KV struct {
	keyring *Keyring
	open    func() (io.ReadCloser, error)
	mounts  []Mount
}

// ErrUpgrading means that a mount was on its way from version 1 to 2 when the snapshot was taken, with
// secrets in either layout.
var ErrUpgrading = errors.New("the mount is being upgraded to KV version 2")

// KV returns a reader of the KV mounts among mounts. If mounts is nil it looks for them in state.bin,
// which open opens from its beginning, each time it is called.
func (k *Keyring) KV(ctx context.Context, open func() (io.ReadCloser, error), mounts []Mount) (*KV, error) {
	v := &KV{keyring: k, open: open}
	if mounts == nil {
		var err error
		if mounts, err = v.findMounts(ctx); err != nil {
			return nil, fmt.Errorf("looking for KV mounts: %w", err)
		}
	}
	for _, m := range mounts {
		if m.kv() {
			v.mounts = append(v.mounts, m)
		}
	}
	return v, nil
}

// Mounts returns the KV mounts.
func (v *KV) Mounts() []Mount { return slices.Clone(v.mounts) }

// Split cuts a path, such as apps/billing/db, where a KV mount ends and what is within it begins. The
// longest mount counts.
func (v *KV) Split(path string) (mount Mount, within string, ok bool) {
	for _, m := range v.mounts {
		if rest, found := strings.CutPrefix(path, m.name()); found && (!ok || len(rest) < len(within)) {
			mount, within, ok = m, rest, true
		}
	}
	return mount, within, ok
}

// List returns the paths of all secrets of a mount that begin with prefix, sorted. They are within the
// mount and have all their folders.
func (v *KV) List(ctx context.Context, mount, prefix string) ([]string, error) {
	m, err := v.mount(mount)
	if err != nil {
		return nil, fmt.Errorf("listing secrets: %w", err)
	}
	var paths []string
	add := func(path string) {
		if strings.HasPrefix(path, prefix) {
			paths = append(paths, path)
		}
	}
	visit := func(e state.Entry) error { return v.listPlain(m, e, add) }
	if m.Versioned() {
		visit = func(e state.Entry) error { return v.listVersioned(m, e, add) }
	}
	if err := v.pass(ctx, visit); err != nil {
		return nil, fmt.Errorf("listing secrets of %s: %w", m.Path, err)
	}
	slices.Sort(paths)
	return paths, nil
}

// Get returns a secret with all its versions. The error matches fs.ErrNotExist if there is no such
// secret or no such mount.
func (v *KV) Get(ctx context.Context, mount, path string) (Secret, error) {
	m, err := v.mount(mount)
	if err != nil {
		return Secret{}, fmt.Errorf("reading a secret: %w", err)
	}
	get := v.getPlain
	if m.Versioned() {
		get = v.getVersioned
	}
	s, err := get(ctx, m, path)
	if err != nil {
		return Secret{}, fmt.Errorf("reading secret %q of %s: %w", path, m.Path, err)
	}
	return s, nil
}

func (v *KV) mount(path string) (Mount, error) {
	path = strings.TrimSuffix(path, "/") + "/"
	for _, m := range v.mounts {
		if path == m.name() {
			return m, nil
		}
	}
	return Mount{}, fmt.Errorf("there is no KV mount %q: %w", path, fs.ErrNotExist)
}

func (v *KV) findMounts(ctx context.Context) ([]Mount, error) {
	var list []Mount
	err := v.pass(ctx, func(e state.Entry) error {
		if what, _, _ := tableAt(e.Key); what != engines {
			return nil
		}
		plain, err := v.decrypt(e)
		if err != nil {
			return err
		}
		mounts, err := mountsOf(e.Key, plain)
		if err != nil {
			return fmt.Errorf("reading entry %q: %w", e.Key, err)
		}
		list = append(list, mounts...)
		return nil
	})
	sortMounts(list)
	return list, err
}

// name returns what m is asked for by: its path, and in a namespace its id before that.
func (m Mount) name() string {
	if m.Namespace != "" {
		return m.Namespace + "/" + m.Path
	}
	return m.Path
}

// storage returns what the keys of everything in m begin with.
func (m Mount) storage() string {
	prefix := "logical/" + m.UUID + "/"
	if m.Namespace != "" {
		prefix = "namespaces/" + m.Namespace + "/" + prefix
	}
	if m.Versioned() {
		prefix += m.BackendUUID + "/"
	}
	return prefix
}

func (v *KV) listPlain(m Mount, e state.Entry, add func(path string)) error {
	path, ok := strings.CutPrefix(e.Key, m.storage())
	if !ok {
		return nil
	}
	if _, err := v.decrypt(e); err != nil {
		return err
	}
	add(path)
	return nil
}

// listVersioned adds the path that a secret's metadata has in it: the path in the key is encrypted, and
// need not be decrypted, since the metadata is authentic at this key and no other.
func (v *KV) listVersioned(m Mount, e state.Entry, add func(path string)) error {
	rest, ok := strings.CutPrefix(e.Key, m.storage())
	if !ok {
		return nil
	}
	if rest == "upgrading" {
		return v.upgraded(e)
	}
	if !strings.HasPrefix(rest, "metadata/") {
		return nil
	}
	s, err := v.metadata(e)
	if err != nil {
		return err
	}
	add(s.Path)
	return nil
}

func (v *KV) getPlain(ctx context.Context, m Mount, path string) (Secret, error) {
	var data json.RawMessage
	err := v.pass(ctx, func(e state.Entry) (err error) {
		if e.Key == m.storage()+path {
			data, err = v.decrypt(e)
		}
		return err
	})
	switch {
	case err != nil:
		return Secret{}, err
	case data == nil:
		return Secret{}, fs.ErrNotExist
	case !json.Valid(data):
		return Secret{}, errors.New("it is not JSON")
	}
	return Secret{Path: path, Versions: []Version{{Data: data}}}, nil
}

func (v *KV) metadata(e state.Entry) (Secret, error) {
	plain, err := v.decrypt(e)
	if err != nil {
		return Secret{}, err
	}
	s, err := parseMetadata(plain)
	if err != nil {
		return Secret{}, fmt.Errorf("reading entry %q: %w", e.Key, err)
	}
	return s, nil
}

func (v *KV) decrypt(e state.Entry) ([]byte, error) {
	plain, err := v.keyring.open(nil, e)
	if err != nil {
		return nil, snapshot.Damaged(stateName, "entry %q: %w", e.Key, err)
	}
	return plain, nil
}

// pass calls visit for every entry of state.bin.
func (v *KV) pass(ctx context.Context, visit func(state.Entry) error) error {
	file, err := v.open()
	if err != nil {
		return fmt.Errorf("opening state.bin: %w", err)
	}
	err = visitAll(ctx, state.NewReader(file), visit)
	return errors.Join(err, file.Close())
}

func visitAll(ctx context.Context, r *state.Reader, visit func(state.Entry) error) error {
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		e, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := visit(e); err != nil {
			return err
		}
	}
}
