package files

import (
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/snapshot/source/files"
)

// attributes gives the finished entry its owner, extended attributes, mode and time, in
// this order: a change of owner takes setuid and capabilities away, and an ACL changes the
// mode.
// Then it looks whether all of it is so.
func (b *builder) attributes(dir int, name string, e *files.Entry) error {
	want := *e
	if err := b.own(dir, name, &want); err != nil {
		return fmt.Errorf("setting its owner: %w", err)
	}
	if err := b.setXAttrs(dir, name, &want); err != nil {
		return err
	}
	if e.Kind != files.Symlink { // a symlink has no mode of its own
		if err := unix.Fchmodat(dir, name, want.Mode, 0); err != nil {
			return fmt.Errorf("setting its mode: %w", err)
		}
	}
	mtime := unix.Timespec{Sec: e.MTime.Unix(), Nsec: int64(e.MTime.Nanosecond())}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, mtime}
	if err := unix.UtimesNanoAt(dir, name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("setting its time: %w", err)
	}
	return b.prove(dir, name, &want)
}

// own sets the owner and puts into e what became of it. Without the privilege the entry
// belongs to who restores it, and is then nothing to run as its owner.
func (b *builder) own(dir int, name string, e *files.Entry) error {
	uid, gid := b.owners.user(e), b.owners.group(e)
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	e.UID, e.GID = uid, gid
	if int(st.Uid) == uid && int(st.Gid) == gid {
		return nil
	}
	err := unix.Fchownat(dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	if !unprivileged(err) {
		return err
	}
	b.notes.add("owners could not be set: it takes CAP_CHOWN")
	e.UID = int(st.Uid)
	if err := unix.Fchownat(dir, name, -1, gid, unix.AT_SYMLINK_NOFOLLOW); unprivileged(err) {
		e.GID = int(st.Gid)
	} else if err != nil {
		return err
	}
	if e.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 && e.Kind == files.File {
		e.Mode &^= unix.S_ISUID | unix.S_ISGID
		b.notes.add("setuid and setgid files lost these bits, for their owners could not be set")
	}
	return nil
}

// setXAttrs sets what it can and takes the rest out of e, with a note.
func (b *builder) setXAttrs(dir int, name string, e *files.Entry) error {
	set := map[string][]byte{}
	for key, value := range e.XAttrs {
		err := unix.Lsetxattr(link(dir, name), key, value, 0)
		switch {
		case err == nil:
			set[key] = value
		case unprivileged(err) || errors.Is(err, unix.ENOTSUP):
			b.notes.add(fmt.Sprintf("extended attributes %q could not be set: %v", key, err))
		default:
			return fmt.Errorf("setting its extended attribute %q: %w", key, err)
		}
	}
	e.XAttrs = set
	return nil
}

func unprivileged(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL)
}

// link names an entry of an open directory for calls that take no descriptor.
func link(dir int, name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", dir, name) }

// owners maps owners to this system, looking each name up once.
type owners struct {
	numeric       bool
	users, groups map[string]int
}

func newOwners(numeric bool) owners {
	return owners{numeric, map[string]int{}, map[string]int{}}
}

// user is the number that e's owner has here, or had there if the name is unknown here.
func (o owners) user(e *files.Entry) int {
	return o.find(o.users, e.Owner, e.UID, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

func (o owners) group(e *files.Entry) int {
	return o.find(o.groups, e.Group, e.GID, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

func (o owners) find(known map[string]int, name string, number int, lookup func(string) (string, error)) int {
	if o.numeric || name == "" {
		return number
	}
	id, ok := known[name]
	if !ok {
		id = -1
		if text, err := lookup(name); err == nil {
			if n, err := strconv.Atoi(text); err == nil {
				id = n
			}
		}
		if len(known) < 1<<16 {
			known[name] = id
		}
	}
	if id < 0 {
		return number
	}
	return id
}

// notes counts what could not be restored as it was. Attribute names come from the archive,
// so there is a bound to how many different notes it can cause.
type notes struct{ counts map[string]int64 }

func newNotes() notes { return notes{map[string]int64{}} }

func (n notes) add(text string) {
	if _, ok := n.counts[text]; !ok && len(n.counts) >= 32 {
		text = "other attributes could not be set"
	}
	n.counts[text]++
}

func (n notes) text() []string {
	var all []string
	for text, count := range n.counts {
		all = append(all, fmt.Sprintf("%d %s", count, text))
	}
	slices.SortFunc(all, strings.Compare)
	return all
}
