package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/restore"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/vaultapi"
)

// perQuestion is how many secrets one question about rights is about.
const perQuestion = 200

// stands reports what keeps a route from being taken at all.
func (w *route) stands(create bool) error {
	if w.problem != nil {
		return w.problem
	}
	if w.missing && !create {
		return fmt.Errorf("%s is missing: %w", w.to.Path, ErrNoMount)
	}
	return nil
}

// examine looks for all that stands in the way of a load: hard is what makes it senseless, soft what a
// rehearsal can do without.
func (r *run) examine(ctx context.Context) (hard, soft restore.Problems, err error) {
	for _, way := range r.routes {
		if way.problem != nil {
			hard = append(hard, way.problem)
			continue
		}
		if err := way.stands(r.Create); err != nil {
			soft = append(soft, err)
		}
		found, err := r.look(ctx, way)
		if err != nil {
			return nil, nil, fmt.Errorf("looking at %s: %w", way.to.Path, err)
		}
		soft = append(soft, found...)
	}
	return hard, soft, nil
}

// A look is what was found at the places of one route's secrets.
type look struct {
	mu       sync.Mutex
	occupied []string
	lacking  []string
}

func (l *look) add(list *[]string, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*list = append(*list, name)
}

func (r *run) look(ctx context.Context, way *route) (restore.Problems, error) {
	var l look
	var paths []string
	if way.missing && r.Create {
		if err := r.mayCreate(ctx, way, &l); err != nil {
			return nil, err
		}
	}
	ask := func() error {
		defer func() { paths = paths[:0] }()
		if err := r.rights(ctx, way, paths, &l); err != nil {
			return err
		}
		if way.missing || r.Replace || len(l.lacking) > 0 {
			return nil
		}
		return r.occupied(ctx, way, paths, &l)
	}
	err := r.places(ctx, way, func(p kv.Place) error {
		if paths = append(paths, p.Path); len(paths) < perQuestion {
			return nil
		}
		return ask()
	})
	if err == nil && len(paths) > 0 {
		err = ask()
	}
	return l.problems(way), err
}

func (l *look) problems(way *route) restore.Problems {
	var p restore.Problems
	if len(l.lacking) > 0 {
		p = append(p, fmt.Errorf("%w: %s", ErrRights, some(l.lacking, 10)))
	}
	if len(l.occupied) > 0 {
		slices.Sort(l.occupied)
		p = append(p, fmt.Errorf("%d of %d secrets are there already in %s (%s): %w",
			len(l.occupied), way.secrets, way.to.Path, some(l.occupied, 10), restore.ErrOccupied))
	}
	return p
}

// occupied finds which of paths have a secret.
func (r *run) occupied(ctx context.Context, way *route, paths []string, l *look) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.workers())
	below := "/metadata/"
	if way.to.Version == 1 {
		below = "/"
	}
	for _, path := range slices.Clone(paths) {
		g.Go(func() error {
			_, err := r.session.Read(ctx, way.to.Path+below+path, nil)
			if err == nil {
				l.add(&l.occupied, path)
			} else if !errors.Is(err, vaultapi.ErrNotFound) {
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

// rights asks what the token may do with paths.
func (r *run) rights(ctx context.Context, way *route, paths []string, l *look) error {
	needs := map[string][]string{}
	for _, path := range paths {
		if strings.TrimSpace(path) != path {
			continue // the server would trim the question, and answer about another secret
		}
		at := way.to.Path + "/"
		if way.to.Version == 1 {
			needs[at+path] = []string{"create", "update", "read", "delete"}
			continue
		}
		needs[at+"data/"+path] = []string{"create", "update", "read"}
		needs[at+"metadata/"+path] = []string{"create", "update", "read", "delete"}
		needs[at+"delete/"+path] = []string{"update"}
		needs[at+"destroy/"+path] = []string{"update"}
	}
	return r.may(ctx, needs, l)
}

func (r *run) mayCreate(ctx context.Context, way *route, l *look) error {
	needs := map[string][]string{"sys/mounts/" + way.to.Path: {"update", "delete"}}
	if way.to.Version == 2 {
		needs[way.to.Path+"/config"] = []string{"update", "read"}
	}
	return r.may(ctx, needs, l)
}

// may notes which of needs the token lacks.
func (r *run) may(ctx context.Context, needs map[string][]string, l *look) error {
	if len(needs) == 0 {
		return nil
	}
	paths := make([]string, 0, len(needs))
	for path := range needs {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	answer, err := r.session.Put(ctx, "sys/capabilities-self", map[string]any{"paths": paths})
	if err != nil {
		return fmt.Errorf("asking for the rights of the token: %w", err)
	}
	var has map[string]json.RawMessage
	if err := json.Unmarshal(answer.Data, &has); err != nil {
		return fmt.Errorf("asking for the rights of the token: %w", err)
	}
	for _, path := range paths {
		var granted []string
		if err := json.Unmarshal(has[path], &granted); err != nil {
			return fmt.Errorf("asking for the rights of the token: no answer about %s", path)
		}
		var lacks []string
		for _, need := range needs[path] {
			if !slices.Contains(granted, need) && !slices.Contains(granted, "root") {
				lacks = append(lacks, need)
			}
		}
		if len(lacks) > 0 {
			l.add(&l.lacking, fmt.Sprintf("%s on %s", strings.Join(lacks, " and "), path))
		}
	}
	return nil
}

// survey says what goes where and what will not be as it was.
func (r *run) survey() []string {
	var list []string
	for _, way := range r.routes {
		text := fmt.Sprintf("%d secrets of %s go to %s (KV v%d)", way.secrets, way.from.Mount, way.to.Path, way.to.Version)
		if way.missing {
			text += ", a mount that is not there yet"
		}
		list = append(list, text)
		switch d := time.Duration(way.engine.DeleteVersionAfter); {
		case d > 0:
			list = append(list, fmt.Sprintf("%s deletes versions %s after they are written, restored ones too", way.to.Path, d))
		case d < 0:
			list = append(list, way.to.Path+" deletes no version for its age, restored ones neither")
		}
	}
	if r.Replace {
		list = append(list, "secrets that are there and differ are replaced; deleted versions of theirs cannot be put back if the restore fails")
	}
	for i, p := range r.only {
		if !r.used[i] {
			list = append(list, fmt.Sprintf("%s matches nothing in this snapshot", p))
		}
	}
	return append(list, "times of creation are those of the restore; policies, auth methods and mounts are documents in the snapshot and are not restored")
}

// difference compares the chosen secrets with those at the server, in their order.
func (r *run) difference(ctx context.Context) ([]restore.Change, error) {
	var list []restore.Change
	for _, way := range r.routes {
		if way.problem != nil {
			return nil, way.problem
		}
		err := r.secrets(ctx, way, func(want *kv.Secret, _ kv.Place) error {
			c, err := r.compare(ctx, way, want)
			if err != nil || c == nil {
				return err
			}
			list = append(list, *c)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("comparing with %s: %w", way.to.Path, err)
		}
	}
	return list, nil
}

func (r *run) compare(ctx context.Context, way *route, want *kv.Secret) (*restore.Change, error) {
	c := &restore.Change{Name: way.name(want.Path), Change: "changed"}
	var got *kv.Secret
	err := error(vaultapi.ErrNotFound)
	if !way.missing {
		got, err = (&kv.Reader{Session: r.session, Mount: way.to}).Secret(ctx, want.Path)
	}
	if errors.Is(err, vaultapi.ErrNotFound) {
		c.Change = "added"
		c.Detail, err = describe(want)
		return c, err
	}
	if err != nil {
		return nil, err
	}
	list, err := differences(want, got, way.engine, time.Now())
	if err != nil || len(list) == 0 {
		return nil, err
	}
	c.Detail = strings.Join(list, "; ")
	return c, nil
}
