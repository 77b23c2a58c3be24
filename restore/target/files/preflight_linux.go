package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"holdfast/restore"
	"holdfast/snapshot/source/files"
)

func (t *Target) preflight(ctx context.Context, d restore.Dump) error {
	pl, err := t.plan()
	if err != nil {
		return restore.Problems{err}
	}
	f, err := facts(d)
	if err != nil {
		return restore.Problems{err}
	}
	problems := placeProblems(pl.path, f.Root, t.Replace)
	need, err := t.need(ctx, d, pl, f)
	if err != nil {
		problems = append(problems, err)
	}
	if need.devices > 0 && !mayMakeDevices() {
		problems = append(problems, fmt.Errorf("%d device files need a privileged restore (CAP_MKNOD)", need.devices))
	}
	return append(problems, roomProblems(filepath.Dir(pl.path), need)...).ErrOrNil()
}

// placeProblems are what stands in the way at path itself.
func placeProblems(path, root string, replace bool) restore.Problems {
	var problems restore.Problems
	parent := filepath.Dir(path)
	switch err := unix.Faccessat(unix.AT_FDCWD, parent, unix.W_OK|unix.X_OK, unix.AT_EACCESS); {
	case errors.Is(err, fs.ErrNotExist):
		return restore.Problems{fmt.Errorf("there is no folder %s", parent)}
	case err != nil:
		problems = append(problems, fmt.Errorf("writing into the folder %s: %w", parent, err))
	}
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return problems
	case err != nil:
		return append(problems, fmt.Errorf("looking at %s: %w", path, err))
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return append(problems, fmt.Errorf("%s is a symlink; name what it points to: %w", path, restore.ErrOccupied))
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return append(problems, fmt.Errorf("%s is a mount point; restore into a folder inside it: %w", path, restore.ErrOccupied))
	case replace:
		return problems
	}
	if err := vacant(path, st.Mode, root); err != nil {
		problems = append(problems, err)
	}
	return problems
}

// vacant accepts an empty folder as the place of a tree.
func vacant(path string, mode uint16, root string) error {
	if mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("%s exists: %w", path, restore.ErrOccupied)
	}
	if root == "file" {
		return fmt.Errorf("%s is a folder; name the file to be written: %w", path, restore.ErrOccupied)
	}
	empty, err := isEmpty(path)
	if err != nil {
		return fmt.Errorf("looking into %s: %w", path, err)
	}
	if !empty {
		return fmt.Errorf("%s holds something: %w", path, restore.ErrOccupied)
	}
	return nil
}

// A need is what a restore takes.
type need struct{ bytes, inodes, devices int64 }

func (t *Target) need(ctx context.Context, d restore.Dump, pl plan, f files.Facts) (need, error) {
	if len(pl.only) == 0 {
		return need{f.Space, f.Entries, f.Devices}, nil
	}
	p, err := openPart(ctx, d, pl.only)
	if err != nil {
		return need{}, err
	}
	defer p.index.Close()
	var n need
	for {
		e, err := p.chosen.next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return need{}, err
		}
		n.inodes++
		if !e.Sparse { // how much of a sparse file is data is not known here
			n.bytes += e.Size
		}
		if e.Kind == files.CharDevice || e.Kind == files.BlockDevice {
			n.devices++
		}
	}
}

func roomProblems(parent string, n need) restore.Problems {
	var st unix.Statfs_t
	if err := unix.Statfs(parent, &st); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // said already
		}
		return restore.Problems{fmt.Errorf("asking for the room at %s: %w", parent, err)}
	}
	var problems restore.Problems
	if room := int64(st.Bavail) * st.Bsize; room < n.bytes {
		problems = append(problems, fmt.Errorf("%s has room for %d bytes of %d: %w", parent, room, n.bytes, unix.ENOSPC))
	}
	if st.Files > 0 && int64(st.Ffree) < n.inodes { // no total means no limit
		problems = append(problems, fmt.Errorf("%s has room for %d files of %d: %w", parent, st.Ffree, n.inodes, unix.ENOSPC))
	}
	return problems
}

// mayMakeDevices asks for the capability and not for root, which may lack it in a container.
func mayMakeDevices() bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_MKNOD) != 0
}
