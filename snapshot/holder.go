package snapshot

import (
	"fmt"
	"os"
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
	h.identify()
	return h
}

// dead reports whether h is certainly no longer running, as seen from the process of me.
func (h Holder) dead(me Holder) bool {
	if h.Boot == "" || h.Start == "" || h.Boot != me.Boot || h.Space != me.Space || h.Host != me.Host {
		return false
	}
	return gone(h.PID, h.Start)
}

func (h Holder) String() string { return fmt.Sprintf("process %d on %s", h.PID, h.Host) }
