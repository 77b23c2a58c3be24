package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/snapshot/source/vaultapi"
)

// A Mount is one KV engine of a server.
type Mount struct {
	Path        string // without a slash at its end
	Version     int    // 1 or 2
	UUID        string
	Description string
	Config      json.RawMessage // of KV v2, see Engine
}

// FindMounts lists the KV engines of a server by their paths, and returns what the server said of
// all its mounts.
func FindMounts(ctx context.Context, session *vaultapi.Session) ([]Mount, json.RawMessage, error) {
	answer, err := session.Read(ctx, "sys/mounts", nil)
	if err != nil {
		return nil, nil, fmt.Errorf("listing the mounts: %w", err)
	}
	var listed map[string]struct {
		Type        string            `json:"type"`
		UUID        string            `json:"uuid"`
		Description string            `json:"description"`
		Options     map[string]string `json:"options"`
	}
	if err := json.Unmarshal(answer.Data, &listed); err != nil {
		return nil, nil, fmt.Errorf("listing the mounts: understanding the answer: %w", err)
	}
	var mounts []Mount
	for _, path := range slices.Sorted(maps.Keys(listed)) {
		l := listed[path]
		if l.Type != "kv" && l.Type != "generic" { // the name of KV v1 before it had versions
			continue
		}
		m := Mount{Path: strings.Trim(path, "/"), Version: 1, UUID: l.UUID, Description: l.Description}
		switch l.Options["version"] {
		case "", "1":
		case "2":
			m.Version = 2
		default:
			return nil, nil, fmt.Errorf("%s is KV v%s, which is not known here", m.Path, l.Options["version"])
		}
		mounts = append(mounts, m)
	}
	return mounts, answer.Data, nil
}

// Configure reads the settings of a KV v2 engine into m.
func (m *Mount) Configure(ctx context.Context, session *vaultapi.Session) error {
	if m.Version == 1 {
		return nil
	}
	raw, err := (&Reader{Session: session, Mount: *m}).data(ctx, m.Path+"/config", nil)
	if err != nil {
		return fmt.Errorf("reading the settings of %s: %w", m.Path, err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return fmt.Errorf("reading the settings of %s: %w", m.Path, err)
	}
	m.Config = compact.Bytes()
	return nil
}

// A selection is a mount and what of it to dump.
type selection struct {
	Mount
	within []string // folders and secrets below the mount; none means all
}

// chosen finds the mounts to dump, and returns what the server says of all its mounts.
func (r *run) chosen(ctx context.Context) ([]selection, json.RawMessage, error) {
	all, raw, err := FindMounts(ctx, r.session)
	if err != nil {
		return nil, nil, err
	}
	list, err := choose(all, r.mounts, r.exclude)
	if err != nil {
		return nil, nil, err
	}
	for i := range list {
		if err := list[i].Configure(ctx, r.session); err != nil {
			return nil, nil, err
		}
	}
	return list, raw, nil
}

// choose joins the mounts of a server with those that were asked for. All that is missing is told at once.
func choose(all []Mount, asked []string, exclude []Pattern) ([]selection, error) {
	within := map[string][]string{}
	var missing []error
	for _, name := range asked {
		path := strings.Trim(name, "/")
		m, ok := holding(all, path)
		if !ok {
			missing = append(missing, fmt.Errorf("%q: no KV mount at or above it: %w", name, ErrMissing))
			continue
		}
		within[m.Path] = append(within[m.Path], strings.Trim(strings.TrimPrefix(path, m.Path), "/"))
	}
	var list []selection
	for _, m := range all {
		names, ok := within[m.Path]
		if len(asked) > 0 && !ok || coversAny(exclude, m.Path) {
			continue
		}
		list = append(list, selection{m, outermost(names)})
	}
	if len(list) == 0 && len(missing) == 0 {
		return nil, fmt.Errorf("%w: no KV mount", ErrEmpty)
	}
	return list, errors.Join(missing...)
}

// holding finds the mount that path is in.
func holding(all []Mount, path string) (Mount, bool) {
	for _, m := range all {
		if path == m.Path || strings.HasPrefix(path, m.Path+"/") {
			return m, true // mounts do not lie in each other
		}
	}
	return Mount{}, false
}

// outermost drops paths that lie in others. The mount as a whole is none at all.
func outermost(paths []string) []string {
	slices.Sort(paths)
	var kept []string
	for _, p := range paths {
		if p == "" {
			return nil
		}
		if !slices.ContainsFunc(kept, func(k string) bool { return p == k || strings.HasPrefix(p, k+"/") }) {
			kept = append(kept, p)
		}
	}
	return kept
}
