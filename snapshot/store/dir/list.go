package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

// List implements snapshot.Store. It holds the names of one folder at each depth.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[snapshot.Object, error] {
	return func(yield func(snapshot.Object, error) bool) {
		w := walk{ctx: ctx, prefix: prefix, yield: yield}
		if err := s.list(&w); err != nil && !errors.Is(err, errStopped) {
			yield(snapshot.Object{}, fmt.Errorf("listing %q: %w", prefix, s.explain(err)))
		}
	}
}

func (s *Store) list(w *walk) error {
	if s.gone() {
		return fs.ErrNotExist // explained as the missing folder that it is
	}
	if !store.CheckPrefix(w.prefix) {
		return nil
	}
	folder, _ := path.Split(w.prefix)
	return w.descend(s.root, path.Clean(folder), folder) // "." for no folder
}

// errStopped ends a walk whose caller has seen enough.
var errStopped = errors.New("stopped")

type walk struct {
	ctx    context.Context
	prefix string
	yield  func(snapshot.Object, error) bool
}

// descend yields what lies in the folder name of root, if there is one: it may have been
// emptied and removed since it was seen.
func (w *walk) descend(root *os.Root, name, base string) error {
	info, err := root.Stat(name)
	if missing(err) || err == nil && !info.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	sub, err := root.OpenRoot(name)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(w.folder(sub, base), sub.Close())
}

// folder yields what lies in root, whose keys begin with base.
func (w *walk) folder(root *os.Root, base string) error {
	entries, err := readFolder(root)
	if err != nil {
		return err
	}
	// A folder sorts as its keys do, with the slash: "a-b" < "a/b", although "a" < "a-b".
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(sortName(a), sortName(b)) })
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.entry(root, base+sortName(e), e); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(root *os.Root, key string, e fs.DirEntry) error {
	if isOwn(key) {
		return nil
	}
	if e.IsDir() {
		if !strings.HasPrefix(key, w.prefix) && !strings.HasPrefix(w.prefix, key) {
			return nil
		}
		return w.descend(root, e.Name(), key)
	}
	if !strings.HasPrefix(key, w.prefix) || !e.Type().IsRegular() {
		return nil
	}
	info, err := root.Lstat(e.Name())
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !w.yield(snapshot.Object{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil) {
		return errStopped
	}
	return nil
}

func readFolder(root *os.Root) ([]fs.DirEntry, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	return entries, errors.Join(err, f.Close())
}

func sortName(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}
