package snapshot

import (
	"fmt"
	"os"
	"strings"
)

// A Holder tells one process on one host from all others. Boot, namespace and start time make
// it possible to know on the same host that a holder is dead, so that a run after a crash
// need not wait for the lease to expire. Elsewhere, and where they are empty, time decides.
type Holder struct {
	Host  string `json:"host"`
	PID   int    `json:"pid"`
	Boot  string `json:"boot,omitempty"`  // Linux boot id
	Space string `json:"space,omitempty"` // pid namespace, since pids of another mean nothing here
	Start string `json:"start,omitempty"` // start time of the process in clock ticks
}

// thisProcess describes the calling process.
func thisProcess(host string) Holder {
	h := Holder{Host: host, PID: os.Getpid()}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return h
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return h
	}
	h.Boot, h.Space, h.Start = strings.TrimSpace(string(boot)), space, startTime(h.PID)
	return h
}

// dead reports whether h is certainly no longer running, as seen from the process of me.
func (h Holder) dead(me Holder) bool {
	if h.Boot == "" || h.Boot != me.Boot || h.Space != me.Space || h.Host != me.Host || h.Start == "" {
		return false
	}
	return startTime(h.PID) != h.Start
}

func (h Holder) String() string { return fmt.Sprintf("process %d on %s", h.PID, h.Host) }

// startTime is field 22 of /proc/PID/stat, or "" if there is no such process. The fields are
// counted after the last parenthesis, because the second is a name that may hold anything.
func startTime(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	rest := string(b[strings.LastIndexByte(string(b), ')')+1:])
	f := strings.Fields(rest)
	if len(f) < 20 || f[0] == "Z" {
		return "" // a zombie holds nothing any more
	}
	return f[19]
}
