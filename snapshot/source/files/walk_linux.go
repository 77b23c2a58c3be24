package files

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// A place is one entry as the walk finds it: a name in an open directory. All that is read
// of it is read relative to that directory, so replacing a directory on the way by a
// symlink leads nowhere.
type place struct {
	path string
	dir  int    // descriptor of the directory that holds it
	name string // in dir
	stat unix.Stat_t
	fd   int // descriptor of the entry itself if it is a directory, else -1
}

func (p *place) is(format uint32) bool { return p.stat.Mode&unix.S_IFMT == format }

// A walk visits a tree in the order of a dump.
type walk struct {
	settings
	dev   uint64                  // of the root
	visit func(p *place) error    // every entry, a directory before what it holds
	gone  func(path string) error // an entry that vanished or turned into another kind
	mount func()                  // a directory that is not entered because of oneFS
}

// root opens path for walks: the directory itself, or for a file the one that holds it.
func root(path string) (*place, error) {
	fd, err := openAt(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err == nil {
		return &place{path: Root, dir: fd, name: Root, fd: fd}, nil
	}
	if !errors.Is(err, unix.ENOTDIR) {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	fd, err = openAt(unix.AT_FDCWD, filepath.Dir(real), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	p := &place{path: filepath.Base(real), dir: fd, name: filepath.Base(real), fd: -1}
	if err := statAt(fd, p.name, &p.stat); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if !p.is(unix.S_IFREG) {
		unix.Close(fd)
		return nil, errors.New("it is neither a directory nor a regular file")
	}
	return p, nil
}

// run walks from root, which may be walked again.
func (w *walk) run(ctx context.Context, root *place) error {
	p := *root
	if err := statAt(p.dir, p.name, &p.stat); err != nil {
		return err
	}
	w.dev = p.stat.Dev
	if p.fd < 0 {
		return w.visit(&p)
	}
	if _, err := unix.Seek(p.fd, 0, 0); err != nil {
		return err
	}
	return w.enter(ctx, &p, 0)
}

// enter visits the open directory p and all it holds.
func (w *walk) enter(ctx context.Context, p *place, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%q: directories more than %d deep", p.path, maxDepth)
	}
	if err := w.visit(p); err != nil {
		return err
	}
	if w.oneFS && p.stat.Dev != w.dev {
		w.mount()
		return nil
	}
	names, err := readNames(p.fd)
	if err != nil {
		return fmt.Errorf("listing %q: %w", p.path, err)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.child(ctx, p, name, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) child(ctx context.Context, parent *place, name string, depth int) error {
	p := place{path: name, dir: parent.fd, name: name, fd: -1}
	if parent.path != Root {
		p.path = parent.path + "/" + name
	}
	if len(p.path) > maxPath {
		return fmt.Errorf("a path longer than %d bytes", maxPath)
	}
	if matchAny(w.exclude, p.path) {
		return nil
	}
	err := statAt(p.dir, p.name, &p.stat)
	if err == nil && p.is(unix.S_IFDIR) {
		p.fd, err = openAt(p.dir, p.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	}
	switch {
	case vanished(err):
		return w.gone(p.path)
	case err != nil:
		return fmt.Errorf("opening %q: %w", p.path, err)
	case p.fd < 0:
		return w.visit(&p)
	}
	defer unix.Close(p.fd)
	if err := unix.Fstat(p.fd, &p.stat); err != nil {
		return fmt.Errorf("opening %q: %w", p.path, err)
	}
	return w.enter(ctx, &p, depth+1)
}

// vanished reports whether err means that an entry is no longer what it just was.
func vanished(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// readNames lists an open directory in order. All names of one directory are in memory.
func readNames(fd int) ([]string, error) {
	var names []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// openAt opens name for reading without touching its access time, where that is allowed.
func openAt(dir int, name string, flags int) (int, error) {
	flags |= unix.O_CLOEXEC
	for noatime := unix.O_NOATIME; ; {
		fd, err := unix.Openat(dir, name, flags|noatime, 0)
		switch {
		case err == unix.EINTR:
		case err == unix.EPERM && noatime != 0:
			noatime = 0 // only the owner may ask for it
		default:
			return fd, err
		}
	}
}

func statAt(dir int, name string, st *unix.Stat_t) error {
	for {
		err := unix.Fstatat(dir, name, st, unix.AT_SYMLINK_NOFOLLOW)
		if err != unix.EINTR {
			return err
		}
	}
}
