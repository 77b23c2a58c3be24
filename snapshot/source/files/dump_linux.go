package files

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/snapshot"
)

func (s *Source) dump(ctx context.Context, d snapshot.Dump) error {
	set, err := s.settings()
	if err != nil {
		return err
	}
	root, err := root(s.Path)
	if err != nil {
		return err
	}
	defer unix.Close(root.dir)
	started := time.Now()
	size, entries, err := measure(ctx, set, root)
	if err != nil {
		return err
	}
	if !s.AllowEmpty && (root.fd >= 0 && entries == 1 || root.fd < 0 && size == 0) {
		return ErrEmpty
	}
	c := newCapture(ctx, set, root)
	d.About(snapshot.About{AsOf: started, Server: about(c.facts.Root)})
	tree, index, err := open(ctx, d, size, entries)
	if err != nil {
		return err
	}
	if err := c.run(tree, index); err != nil {
		return err
	}
	if !s.AllowEmpty && root.fd >= 0 && c.facts.Entries == 1 {
		return ErrEmpty // it was emptied since it was measured
	}
	if err := tree.Seal(c.facts.Entries, c.facts); err != nil {
		return err
	}
	// The index describes the same entries, so it counts none of its own.
	if err := index.Seal(0, nil); err != nil {
		return err
	}
	warn(d, &c.facts)
	return nil
}

// measure counts what is there, for progress and chunk sizes. It also brings the inodes
// into the cache, so that it costs little more than itself.
func measure(ctx context.Context, set settings, root *place) (size, entries int64, err error) {
	w := walk{settings: set, mount: func() {}, gone: func(string) error { return nil }}
	w.visit = func(p *place) error {
		entries++
		if p.is(unix.S_IFREG) {
			size += p.stat.Size
		}
		if p.is(unix.S_IFSOCK) {
			entries--
		}
		return nil
	}
	err = w.run(ctx, root)
	return size, entries, err
}

// A capture is one dump being made.
type capture struct {
	settings
	ctx    context.Context
	root   *place
	out    *treeWriter
	watch  *watch
	facts  Facts
	shared map[inode]Entry // first names of files with several
	owners ownerNames
	buf    []byte
}

type inode struct{ dev, ino uint64 }

func newCapture(ctx context.Context, set settings, root *place) *capture {
	c := &capture{
		settings: set, ctx: ctx, root: root, watch: newWatch(),
		shared: map[inode]Entry{}, owners: newOwnerNames(), buf: make([]byte, small+1),
	}
	c.facts.Root = "dir"
	if root.fd < 0 {
		c.facts.Root = "file"
	}
	return c
}

func (c *capture) run(tree, index snapshot.StreamWriter) error {
	c.out = newTreeWriter(tree, index)
	w := walk{settings: c.settings, visit: c.visit, gone: c.changed, mount: func() { c.facts.Mounts++ }}
	if err := w.run(c.ctx, c.root); err != nil {
		return err
	}
	if err := c.watch.again(c.ctx, c.settings, c.root); err != nil {
		return err
	}
	c.facts.Changed, c.facts.ChangedSample = c.watch.count, c.watch.sample
	if c.facts.Changed > 0 && !c.warn {
		return fmt.Errorf("%d entries, first %s: %w", c.facts.Changed, c.first(), ErrChanged)
	}
	c.facts.Entries = c.out.entries
	return c.out.close()
}

func (c *capture) first() string {
	if len(c.facts.ChangedSample) == 0 {
		return "one that vanished"
	}
	return c.facts.ChangedSample[0]
}

// changed says what a change of path means: the end, or a note.
func (c *capture) changed(path string) error {
	if !c.warn {
		return fmt.Errorf("%q: %w", path, ErrChanged)
	}
	c.watch.unsettled(path)
	return nil
}

func (c *capture) visit(p *place) error {
	if p.is(unix.S_IFSOCK) {
		c.facts.Sockets++
		return nil
	}
	c.watch.read(p)
	if p.is(unix.S_IFREG) {
		return c.file(p)
	}
	e, err := c.entry(p)
	if errors.Is(err, errGone) {
		return c.changed(p.path)
	}
	if err != nil {
		return fmt.Errorf("reading %q: %w", p.path, err)
	}
	return c.out.add(&e, nil)
}

var errGone = errors.New("gone")

// entry is p without its data.
func (c *capture) entry(p *place) (Entry, error) {
	st := &p.stat
	e := Entry{
		Path: p.path, Mode: st.Mode & 0o7777, UID: int(st.Uid), GID: int(st.Gid),
		MTime: instant(st.Mtim.Unix()),
		Owner: c.owners.user(st.Uid), Group: c.owners.group(st.Gid),
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Kind = File
	case unix.S_IFDIR:
		e.Kind = Dir
		c.facts.Space += block
	case unix.S_IFLNK:
		e.Kind = Symlink
		e.Link, err = readLink(p)
	case unix.S_IFIFO:
		e.Kind = Fifo
	case unix.S_IFCHR, unix.S_IFBLK:
		e.Kind = CharDevice
		if p.is(unix.S_IFBLK) {
			e.Kind = BlockDevice
		}
		e.Major, e.Minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
		c.facts.Devices++
	default:
		err = fmt.Errorf("unknown kind %#o", st.Mode&unix.S_IFMT)
	}
	if err == nil {
		e.XAttrs, err = XAttrs(p.dir, p.name)
	}
	if vanished(err) {
		err = errGone
	}
	return e, err
}

func readLink(p *place) (string, error) {
	buf := make([]byte, maxLink+1)
	n, err := unix.Readlinkat(p.dir, p.name, buf)
	if errors.Is(err, unix.EINVAL) {
		return "", errGone // no longer a symlink
	}
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// ownerNames looks numbers up once each.
type ownerNames struct{ users, groups map[uint32]string }

func newOwnerNames() ownerNames {
	return ownerNames{map[uint32]string{}, map[uint32]string{}}
}

// user is the name of uid, empty if it has none: the number is what counts.
func (o ownerNames) user(uid uint32) string {
	name, ok := o.users[uid]
	if !ok {
		if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil && len(u.Username) <= maxName {
			name = u.Username
		}
		o.users[uid] = name
	}
	return name
}

func (o ownerNames) group(gid uint32) string {
	name, ok := o.groups[gid]
	if !ok {
		if g, err := user.LookupGroupId(strconv.FormatUint(uint64(gid), 10)); err == nil && len(g.Name) <= maxName {
			name = g.Name
		}
		o.groups[gid] = name
	}
	return name
}
