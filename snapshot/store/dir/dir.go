package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

// A Store keeps objects as files under one folder. It implements snapshot.Store and
// snapshot.Registers; any number of processes may use one folder at the same time.
type Store struct {
	root    *os.Root
	path    string
	folders folders
	swap    chan struct{} // holds a token while this process swaps
	sweep   sync.Once
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the folder path, which exists: an unmounted disk must not look
// like an empty repository. A missing folder is an error matching snapshot.ErrNoBucket.
func Open(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening store folder: %w", err)
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = unix.ENOTDIR
	}
	var root *os.Root
	if err == nil {
		root, err = os.OpenRoot(path)
	}
	switch {
	case missing(err):
		return nil, fmt.Errorf("opening store folder: %w: %s", snapshot.ErrNoBucket, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("opening store folder: %w: %s", snapshot.ErrDenied, path)
	case err != nil:
		return nil, fmt.Errorf("opening store folder: %w", err)
	}
	return &Store{root: root, path: path, swap: make(chan struct{}, 1)}, nil
}

// Create makes the folder path, whose parent exists, and opens the store in it. A folder
// that is there already is used as it is.
func Create(path string) (*Store, error) {
	err := os.Mkdir(path, 0o700)
	switch {
	case err == nil:
		if err := syncPath(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("creating store folder: %w", err)
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("creating store folder: %w: %s", snapshot.ErrNoBucket, filepath.Dir(path))
	case !errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("creating store folder: %w", classify(err))
	}
	return Open(path)
}

// ParseURL returns the folder that a file:///path URL names.
func ParseURL(u string) (string, error) {
	p, err := url.Parse(u)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // the rest repeats the URL
		}
		return "", fmt.Errorf("reading store URL: %w", err)
	}
	switch {
	case p.Scheme != "file":
		return "", fmt.Errorf("reading store URL: scheme %q instead of file", p.Scheme)
	case p.Host != "" && p.Host != "localhost" || p.User != nil || p.Opaque != "":
		return "", errors.New("reading store URL: use three slashes and an absolute path: file:///path")
	case p.RawQuery != "" || p.Fragment != "":
		return "", errors.New("reading store URL: file:///path takes no options; write ? as %3F and # as %23")
	case !path.IsAbs(p.Path) || strings.ContainsRune(p.Path, 0):
		return "", errors.New("reading store URL: no absolute path, as in file:///path")
	}
	return filepath.FromSlash(path.Clean(p.Path)), nil
}

// Close releases the folder. Readers that are still open stay usable.
func (s *Store) Close() error { return s.root.Close() }

// own is the folder, in the store's, that List never shows: temporary files and the lock.
const own = ".holdfast"

// checkKey keeps keys inside the folder and out of the store's own.
func checkKey(key string) error {
	if isOwn(key) {
		return fmt.Errorf("%q is not a key: the store's own files are there", key)
	}
	return store.CheckKey(key)
}

func isOwn(key string) bool { return key == own || strings.HasPrefix(key, own+"/") }

// explain gives err, about a file of the store, the meaning that callers branch on.
func (s *Store) explain(err error) error {
	if errors.Is(err, fs.ErrNotExist) && s.gone() {
		return fmt.Errorf("%w: %s", snapshot.ErrNoBucket, s.path)
	}
	return classify(err)
}

// gone tells whether the store's folder was removed or replaced since Open. The open root
// would go on as an empty folder, and a repository would look as if it had never been.
func (s *Store) gone() bool {
	there, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	here, errHere := s.root.Stat(".")
	return err == nil && errHere == nil && !os.SameFile(there, here)
}

func classify(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w: %w", snapshot.ErrFull, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w: %w", snapshot.ErrDenied, err)
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err) // a/b where a is an object
	}
	return err
}
