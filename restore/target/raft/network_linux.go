package raft

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// leaveNetwork gives the calling thread a network of its own that has loopback and nothing else, and so
// to each process that it starts. A restored server comes up with the credentials of production: it
// must not change a password in a production database because a snapshot says that it is time to.
// Where the system does not allow it, the answer is false.
func leaveNetwork() (bool, error) {
	err := unix.Unshare(unix.CLONE_NEWNET)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("making a network of its own: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return false, fmt.Errorf("making a network of its own: %w", err)
	}
	return true, nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// freePorts returns two ports of 127.0.0.1 that nothing listens on at the moment.
func freePorts() (a, b int, err error) {
	x, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	y, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, errors.Join(err, x.Close())
	}
	a, b = x.Addr().(*net.TCPAddr).Port, y.Addr().(*net.TCPAddr).Port
	return a, b, errors.Join(x.Close(), y.Close())
}
