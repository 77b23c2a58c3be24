package kv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"holdfast/restore"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/vaultapi"
)

// A route leads from a mount in the dump to one at the server.
type route struct {
	from    kv.Facts
	to      kv.Mount
	engine  kv.Config    // settings of to
	missing bool         // the server has no mount there yet
	problem error        // why nothing can be restored along this route
	secrets int64        // chosen
	bytes   int64        // of their lines
	prefix  string       // what name prints before a path
	few     []kv.Place   // the chosen places, unless all or too many are
	kept    []*kv.Secret // those at few, once they were read, unless they are too large
	same    atomic.Int64 // secrets that were there already, exactly so
}

// A part is read from the repository once if it has no more than maxFew places and maxKept bytes of lines.
const (
	maxFew  = 10_000
	maxKept = 4 << 20
)

func (r *route) name(path string) string { return r.prefix + path }

// plan finds out what was chosen, and a route for each mount of which something was.
func (r *run) plan(ctx context.Context) error {
	mounts, err := kv.Mounts(r.dump.Streams())
	if err != nil {
		return err
	}
	there, _, err := kv.FindMounts(ctx, r.session)
	if err != nil {
		return err
	}
	for _, from := range mounts {
		way := &route{from: from}
		if err := r.count(ctx, way); err != nil {
			return err
		}
		if way.secrets == 0 && len(r.only) > 0 {
			continue
		}
		if err := r.direct(ctx, way, there); err != nil {
			return err
		}
		r.routes = append(r.routes, way)
	}
	return r.planned()
}

func (r *run) planned() error {
	if len(r.routes) == 0 {
		return fmt.Errorf("%s: %w", strings.Join(r.Only, " "), ErrNoMatch)
	}
	if r.Mount != "" && len(r.routes) > 1 {
		return fmt.Errorf("secrets of %d mounts cannot go to the one mount %q; choose those of one", len(r.routes), r.Mount)
	}
	return nil
}

// count finds out how much was chosen of a mount.
func (r *run) count(ctx context.Context, way *route) error {
	if len(r.only) > 0 && !slices.ContainsFunc(r.only, func(p kv.Pattern) bool { return p.Reaches(way.from.Mount) }) {
		return nil
	}
	way.few = r.recall(way.from.Mount)
	var places []kv.Place
	err := r.places(ctx, way, func(p kv.Place) error {
		way.secrets++
		way.bytes += p.Length
		if len(places) <= maxFew {
			places = append(places, p)
		}
		return nil
	})
	if err == nil && len(r.only) > 0 && len(places) <= maxFew {
		way.few = places
		r.remember(way)
	}
	return err
}

// recall returns the places that the call before found for the same question.
func (r *run) recall(mount string) []kv.Place {
	if r.found == nil || !same(r.found.dump, r.dump) || r.found.only != strings.Join(r.Only, "\n") {
		r.found = &found{dump: r.dump, only: strings.Join(r.Only, "\n"), few: map[string][]kv.Place{}}
	}
	return r.found.few[mount]
}

func (r *run) remember(way *route) { r.found.few[way.from.Mount] = way.few }

// same reports whether two dumps are the same value.
func same(a, b restore.Dump) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

// direct finds where a route ends.
func (r *run) direct(ctx context.Context, way *route, there []kv.Mount) error {
	path := strings.Trim(r.Mount, "/")
	if path == "" {
		path = way.from.Mount
	}
	way.prefix = path + "/"
	at := slices.IndexFunc(there, func(m kv.Mount) bool { return m.Path == path })
	if at < 0 {
		way.missing = true
		way.to = kv.Mount{Path: path, Version: way.from.Version, Description: way.from.Description, Config: way.from.Config}
	} else if way.to = there[at]; way.to.Version != way.from.Version {
		way.problem = fmt.Errorf("%s is KV v%d, and the secrets are of KV v%d: %w", path, way.to.Version, way.from.Version, ErrNoMount)
		return nil
	} else if err := way.to.Configure(ctx, r.session); err != nil {
		return err
	}
	var err error
	way.engine, err = (&kv.Facts{Config: way.to.Config}).Engine()
	return err
}

// create makes a mount that is missing, with the settings that it had.
func (r *run) create(ctx context.Context, way *route, u *undo) error {
	options := map[string]string{"version": fmt.Sprint(way.to.Version)}
	body := map[string]any{"type": "kv", "description": way.to.Description, "options": options}
	u.mounted(way.to.Path)
	if _, err := r.session.Write(ctx, "sys/mounts/"+way.to.Path, body); err != nil {
		var refused *vaultapi.Error
		if errors.As(err, &refused) {
			u.unmounted() // it was there, or is not: either way not ours
		}
		return fmt.Errorf("making the mount %s: %w", way.to.Path, err)
	}
	if way.to.Version == 1 {
		return nil
	}
	if err := r.ready(ctx, way.to.Path); err != nil {
		return fmt.Errorf("making the mount %s: %w", way.to.Path, err)
	}
	settings := map[string]any{"max_versions": way.engine.MaxVersions, "cas_required": way.engine.CASRequired,
		"delete_version_after": seconds(time.Duration(way.engine.DeleteVersionAfter))}
	if _, err := r.session.Put(ctx, way.to.Path+"/config", settings); err != nil {
		return fmt.Errorf("setting up the mount %s: %w", way.to.Path, err)
	}
	return nil
}

// ready waits until a new mount of KV v2 takes requests: for a moment it upgrades itself from nothing.
func (r *run) ready(ctx context.Context, mount string) error {
	for try := 0; ; try++ {
		_, err := r.session.Read(ctx, mount+"/config", nil)
		var refused *vaultapi.Error
		if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest || try == 100 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// places hands out where each chosen secret of a mount is. It reads the index alone, of which each piece is checked
// before it is handed out: as a range, since a part shall not cost the whole packs that the index is in.
func (r *run) places(ctx context.Context, way *route, each func(kv.Place) error) (err error) {
	if len(way.few) > 0 {
		for _, p := range way.few {
			r.chosen(way.from.Mount + "/" + p.Path) // counts as a use of its pattern
			if err := each(p); err != nil {
				return err
			}
		}
		return nil
	}
	mount := way.from.Mount
	info, err := restore.Find(r.dump, kv.IndexStream(mount))
	if err != nil {
		return err
	}
	f, err := r.dump.OpenRange(ctx, info.Name, 0, info.Bytes)
	if err != nil {
		return fmt.Errorf("opening the index of %s: %w", mount, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	x := kv.NewIndexReader(mount, f)
	for {
		p, err := x.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !r.chosen(mount + "/" + p.Path) {
			continue
		}
		if err := each(p); err != nil {
			return err
		}
	}
}

func (r *run) chosen(path string) bool {
	found := len(r.only) == 0
	for i, p := range r.only {
		if p.Match(path) {
			r.used[i], found = true, true
		}
	}
	return found
}

// seconds spells a length of time as servers read it.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int64(d/time.Second)) }
