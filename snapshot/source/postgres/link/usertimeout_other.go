//go:build !linux

package link

import (
	"syscall"
	"time"
)

// userTimeout has no effect here: keepalives notice an idle peer's loss, and the system's own
// limit on retransmission that of a busy one.
func userTimeout(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
