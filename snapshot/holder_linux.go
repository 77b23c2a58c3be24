package snapshot

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// gone reports whether no process with this pid and start time is running. What cannot be seen
// (hidepid) is not gone: only the kernel's own word counts.
func gone(pid int, start string) bool {
	now, err := startTime(pid)
	if err == nil {
		return now != start
	}
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// startTime is field 22 of /proc/PID/stat, or "" for a zombie, which holds nothing any more. The
// fields are counted after the last parenthesis, because the second is a name that may hold
// anything.
func startTime(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 20 {
		return "", fmt.Errorf("reading /proc/%d/stat: %d fields", pid, len(f))
	}
	if f[0] == "Z" {
		return "", nil
	}
	return f[19], nil
}

// identify fills in what tells this process from all others of all times.
func (h *Holder) identify() {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return
	}
	start, err := startTime(h.PID)
	if err != nil {
		return
	}
	h.Boot, h.Space, h.Start = strings.TrimSpace(string(boot)), space, start
}
