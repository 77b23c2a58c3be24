package kv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"holdfast/snapshot/source/vaultapi"
)

// A walk reads the secrets of one mount. One goroutine goes through the folders in order, with a
// few listings ahead of it; each secret it comes to is read by a goroutine of its own; and whoever called
// run takes them in the order in which they were found. slots bounds the requests that run at once.
type walk struct {
	Reader
	exclude  []Pattern
	within   []string
	workers  int
	group    *errgroup.Group
	slots    chan struct{}
	found    chan *finding // in order; its capacity is the window
	excluded int64
	gone     int64 // secrets; collect counts
	emptied  int64 // folders; begin counts
}

// A finding is a secret that was listed, or a root that may be a secret or not.
type finding struct {
	path   string
	root   bool
	done   chan struct{}
	secret *Secret // nil once done: it is gone
}

// perWorker is how many secrets are held in memory for each worker, read or being read.
const perWorker = 4

// run hands out every secret in the order of the paths.
func (w *walk) run(ctx context.Context, emit func(*Secret) error) error {
	w.slots = make(chan struct{}, w.workers)
	w.found = make(chan *finding, perWorker*w.workers)
	var inner context.Context
	w.group, inner = errgroup.WithContext(ctx)
	w.group.Go(func() error {
		defer close(w.found)
		return w.begin(inner)
	})
	w.group.Go(func() error { return w.collect(inner, emit) })
	return w.group.Wait()
}

func (w *walk) collect(ctx context.Context, emit func(*Secret) error) error {
	for f := range w.found {
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if f.secret == nil {
			if !f.root {
				w.gone++
			}
			continue
		}
		if err := emit(f.secret); err != nil {
			return err
		}
	}
	return nil
}

// begin walks the whole mount, or the folders and secrets that were asked for, as if they were all
// that the mount lists.
func (w *walk) begin(ctx context.Context) error {
	if len(w.within) == 0 {
		keys, err := w.list(ctx, "")
		if err != nil {
			return err
		}
		return w.folder(ctx, "", keys, false)
	}
	var keys []string
	for _, path := range w.within {
		there, err := w.there(ctx, path)
		if err != nil {
			return err
		}
		if len(there) == 0 {
			return fmt.Errorf("%s/%s: %w", w.Mount.Path, path, ErrMissing)
		}
		keys = append(keys, there...)
	}
	slices.Sort(keys)
	return w.folder(ctx, "", keys, true)
}

// there looks whether a path is a secret, a folder, both or neither. What of them is excluded is not
// looked at: the rights to it may be lacking.
func (w *walk) there(ctx context.Context, path string) ([]string, error) {
	var keys []string
	full := w.Mount.Path + "/" + path
	if !matchAny(w.exclude, full) {
		_, err := w.get(ctx, path)
		if err == nil {
			keys = append(keys, path)
		} else if !errors.Is(err, vaultapi.ErrNotFound) {
			return nil, refused(err, "="+full)
		}
	}
	if coversAny(w.exclude, full) {
		return keys, nil
	}
	below, err := w.list(ctx, path+"/")
	if len(below) > 0 {
		keys = append(keys, path+"/")
	}
	return keys, err
}

// folder walks the keys of a folder, in the order of the paths below them: "a", "a-b", "a/x", "a0".
func (w *walk) folder(ctx context.Context, folder string, keys []string, root bool) error {
	keys = w.keep(folder, keys)
	ahead := w.ahead(ctx, folder, keys)
	for _, key := range keys {
		path := folder + key
		if !strings.HasSuffix(key, "/") {
			if err := w.find(ctx, path, root); err != nil {
				return err
			}
			continue
		}
		below, err := ahead()
		if err == nil && len(below) == 0 {
			below, err = w.confirmEmpty(ctx, folder, key, root)
		}
		if err != nil {
			return err
		}
		if err := w.folder(ctx, path, below, false); err != nil {
			return err
		}
	}
	return nil
}

// keep drops what is excluded, and sorts.
func (w *walk) keep(folder string, keys []string) []string {
	var kept []string
	for _, key := range keys {
		path := w.Mount.Path + "/" + folder + key
		if below, ok := strings.CutSuffix(path, "/"); ok && coversAny(w.exclude, below) || !ok && matchAny(w.exclude, path) {
			w.excluded++
			continue
		}
		kept = append(kept, key)
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// confirmEmpty returns the keys of a folder that was listed and then had none: its last secret was deleted
// meanwhile, which the folder it is in has to confirm. Else all below it would be missing in silence.
func (w *walk) confirmEmpty(ctx context.Context, folder, key string, root bool) ([]string, error) {
	for range 2 {
		beside := []string{}
		var err error
		if !root { // a root had keys a moment ago, and what it is in may not be listed
			if beside, err = w.list(ctx, folder); err != nil {
				return nil, err
			}
		}
		if !slices.Contains(beside, key) {
			w.emptied++
			return nil, nil
		}
		below, err := w.list(ctx, folder+key)
		if err != nil || len(below) > 0 {
			return below, err
		}
	}
	return nil, fmt.Errorf("listing %s/%q: %w", w.Mount.Path, folder+key, ErrHidden)
}

// find has one secret read. It waits while the window is full.
func (w *walk) find(ctx context.Context, path string, root bool) error {
	f := &finding{path: path, root: root, done: make(chan struct{})}
	select {
	case w.found <- f:
	case <-ctx.Done():
		return ctx.Err()
	}
	w.group.Go(func() (err error) {
		if f.secret, err = w.read(ctx, f); err != nil {
			return err // the group's context ends whoever waits for done
		}
		close(f.done)
		return nil
	})
	return nil
}

// read reads one secret, or returns nil if it is gone, which the folder has to confirm.
func (w *walk) read(ctx context.Context, f *finding) (*Secret, error) {
	for range 2 {
		s, err := w.get(ctx, f.path)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, vaultapi.ErrNotFound) {
			return nil, refused(err, w.Mount.Path+"/"+f.path)
		}
	}
	folder, name := "", f.path
	if i := strings.LastIndexByte(f.path, '/'); i >= 0 {
		folder, name = f.path[:i+1], f.path[i+1:]
	}
	keys, err := w.list(ctx, folder)
	if err != nil {
		return nil, err
	}
	if slices.Contains(keys, name) {
		return nil, fmt.Errorf("reading %s/%q: %w", w.Mount.Path, f.path, ErrHidden)
	}
	return nil, nil
}

func (w *walk) get(ctx context.Context, path string) (*Secret, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.leave()
	return w.Secret(ctx, path)
}

// enter and leave bound how many requests run at once.
func (w *walk) enter(ctx context.Context) error {
	select {
	case w.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *walk) leave() { <-w.slots }

// refused says what can be done about a path that may not be read.
func refused(err error, path string) error {
	if errors.Is(err, vaultapi.ErrDenied) {
		return fmt.Errorf("%w (exclude %q if it is not to be dumped)", err, path)
	}
	return err
}
