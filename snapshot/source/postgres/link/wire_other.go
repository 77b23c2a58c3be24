//go:build !unix

package link

// block changes nothing here: Go's own way of waiting serves.
func (w *wire) block() error { return nil }

// abort ends what the connection waits for, now and later. It may run beside anything.
func (w *wire) abort() { _ = w.Conn.Close() }
