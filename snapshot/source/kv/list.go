package kv

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast/snapshot/source/vaultapi"
)

// A listing is the names in one folder, on their way.
type listing struct {
	done chan struct{}
	keys []string
}

// ahead lists the folders among keys, a few at a time before they are asked for. The function that
// it returns gives the next folder's keys.
func (w *walk) ahead(ctx context.Context, folder string, keys []string) func() ([]string, error) {
	var pending []*listing
	rest := keys
	more := func() {
		for len(pending) < w.workers && len(rest) > 0 {
			key := rest[0]
			rest = rest[1:]
			if strings.HasSuffix(key, "/") {
				pending = append(pending, w.listing(ctx, folder+key))
			}
		}
	}
	return func() ([]string, error) {
		more()
		next := pending[0]
		pending = pending[1:]
		more()
		select {
		case <-next.done:
			return next.keys, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (w *walk) listing(ctx context.Context, folder string) *listing {
	l := &listing{done: make(chan struct{})}
	w.group.Go(func() (err error) {
		if l.keys, err = w.list(ctx, folder); err != nil {
			return err // the group's context ends whoever waits for done
		}
		close(l.done)
		return nil
	})
	return l
}

// list returns the keys of a folder, which ends in a slash; "" is the mount. A folder that is not there
// has none: it is empty, or its last secret was deleted.
func (w *walk) list(ctx context.Context, folder string) ([]string, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.leave()
	keys, err := w.List(ctx, folder)
	if err != nil {
		return nil, refused(err, strings.TrimSuffix(w.Mount.Path+"/"+folder, "/"))
	}
	return keys, nil
}

// List returns the keys of a folder, those of folders with a slash at their end. The folder
// ends in a slash itself; "" is the mount. One that is not there has no keys.
func (r *Reader) List(ctx context.Context, folder string) ([]string, error) {
	path := r.Mount.Path + "/" + folder
	if r.Mount.Version == 2 {
		path = r.Mount.Path + "/metadata/" + folder
	}
	keys, err := r.Session.List(ctx, path)
	if errors.Is(err, vaultapi.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if keys == nil { // a server says 404 of what is empty
		return nil, fmt.Errorf("listing %s: %w", path, errNoData)
	}
	for _, key := range keys {
		if key == "" || key == "/" {
			return nil, fmt.Errorf("listing %s: a name is empty", path)
		}
	}
	return keys, nil
}
