package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"holdfast/snapshot"
)

// A survey is what lies in a vault, as listed.
type survey struct {
	ids   []snapshot.ID // of the snapshots that are there
	notes []string
}

// survey lists a vault and checks the objects that belong to no one snapshot: epochs, lease and
// findings, and that no snapshot lost its manifest.
func (v *Verifier) survey(ctx context.Context, vault string, c *collector) (*survey, error) {
	s := &survey{}
	parts := map[snapshot.ID]bool{} // snapshots of which anything is there
	for o, err := range v.Store.List(ctx, snapshot.SnapshotsPrefix(vault)) {
		if err != nil {
			return nil, fmt.Errorf("listing snapshots: %w", err)
		}
		id, object := splitSnapshot(vault, o.Key)
		switch {
		case id == "":
			c.add(o.Key, errors.New("nothing of this name belongs here"))
		case object == "manifest":
			s.ids = append(s.ids, id)
		case object == "contents", object == "packs":
			parts[id] = true
		default:
			c.add(o.Key, errors.New("nothing of this name belongs here"))
		}
	}
	if err := v.epochs(ctx, vault, c); err != nil {
		return nil, err
	}
	findings, err := snapshot.CheckFindings(ctx, v.Store, v.Repository.ID, vault, v.Trust, c.take)
	if err != nil {
		return nil, err
	}
	v.witness(vault, s.ids, findings, c)
	return s, v.chain(ctx, vault, s, parts, c)
}

// witness compares the findings that are there with those that this host remembers. One that is gone
// while its snapshot is still there was removed by somebody.
func (v *Verifier) witness(vault string, ids []snapshot.ID, findings []string, c *collector) {
	there := make(map[string]bool, len(findings))
	for _, key := range findings {
		there[key] = true
	}
	for _, key := range v.Cache.Witness(vault).Findings {
		id, _, _ := strings.Cut(strings.TrimPrefix(key, snapshot.ChecksPrefix(vault)), "/")
		if !there[key] && slices.Contains(ids, snapshot.ID(id)) {
			c.add(key, errors.New("missing, and this host remembers it"))
		}
	}
	v.Cache.Remember(vault, snapshot.Witness{Findings: findings})
}

func splitSnapshot(vault, key string) (snapshot.ID, string) {
	name, object, _ := strings.Cut(strings.TrimPrefix(key, snapshot.SnapshotsPrefix(vault)), "/")
	id, err := snapshot.ParseID(name)
	if err != nil {
		return "", ""
	}
	return id, object
}

func (v *Verifier) epochs(ctx context.Context, vault string, c *collector) error {
	for o, err := range v.Store.List(ctx, snapshot.EpochsPrefix(vault)) {
		if err != nil {
			return fmt.Errorf("listing epochs: %w", err)
		}
		id := strings.TrimPrefix(o.Key, snapshot.EpochsPrefix(vault))
		_, err := snapshot.ReadEpoch(ctx, v.Store, v.Repository.ID, vault, id, v.Trust)
		if err := c.take(o.Key, err); err != nil {
			return err
		}
	}
	return nil
}

// chain looks for snapshots that are named by others and have lost their manifest. The lease
// names the newest that was committed, and every manifest the one before it. What is left of
// a snapshot that nobody names is a run that was interrupted: a note, not damage.
func (v *Verifier) chain(ctx context.Context, vault string, s *survey, parts map[snapshot.ID]bool, c *collector) error {
	named := map[snapshot.ID]bool{}
	var newest *snapshot.Manifest
	for _, id := range s.ids {
		m, err := snapshot.ReadManifest(ctx, v.Store, v.Repository.ID, vault, id, v.Trust)
		if err != nil {
			continue // the snapshot's own finding says so
		}
		newest = m
		if m.Previous != "" && parts[m.Previous] {
			named[m.Previous] = true
		}
	}
	last, err := v.lease(ctx, vault, newest, len(parts) > 0, c)
	if err != nil {
		return err
	}
	if last != "" {
		named[last] = true
	}
	for id := range named {
		if slices.Contains(s.ids, id) {
			continue
		}
		// It may have been committed since the listing.
		_, err := snapshot.ReadManifest(ctx, v.Store, v.Repository.ID, vault, id, v.Trust)
		if err := c.take(snapshot.ManifestKey(vault, id), err); err != nil {
			return err
		}
	}
	for id := range parts {
		if !slices.Contains(s.ids, id) && !named[id] {
			s.notes = append(s.notes, fmt.Sprintf("%s was interrupted before it became a snapshot; what it stored will be reused", id))
		}
	}
	slices.Sort(s.notes)
	return nil
}

// lease checks the vault's lease and returns the newest snapshot that it names. One that is
// older than the newest snapshot was put back from an earlier time.
func (v *Verifier) lease(ctx context.Context, vault string, newest *snapshot.Manifest, used bool, c *collector) (snapshot.ID, error) {
	key := snapshot.LeaseKey(vault)
	l, err := snapshot.ReadLease(ctx, v.Store, v.Repository.ID, vault, v.Trust)
	if errors.Is(err, fs.ErrNotExist) && newest == nil && !used {
		return "", nil // nothing was ever committed here
	}
	if err != nil {
		return "", c.take(key, err)
	}
	seen := v.Cache.Witness(vault)
	v.Cache.Remember(vault, snapshot.Witness{Fence: l.Fence})
	if l.Fence < seen.Fence {
		c.add(key, fmt.Errorf("it is older (number %d) than the last one that this host saw, number %d", l.Fence, seen.Fence))
	}
	if newest != nil && (l.Fence < newest.Fence || l.Fence > newest.Fence && l.Last < newest.ID) {
		c.add(key, fmt.Errorf("it is older (number %d, snapshot %s) than snapshot %s, number %d", l.Fence, l.Last, newest.ID, newest.Fence))
	}
	return l.Last, nil
}
