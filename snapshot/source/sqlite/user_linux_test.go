package sqlite_test

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody runs f without root's power over files. It does so on a thread of its own, which
// ends with it; f must stay on its goroutine. Someone who is not root runs f as they are.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Getuid() == 0 {
			runtime.LockOSThread() // never unlocked: the thread must not be used again
			for _, set := range []func(int) error{unix.Setfsgid, unix.Setfsuid} {
				if err := set(65534); err != nil {
					t.Error(err)
					return
				}
			}
		}
		f()
	}()
	<-done
}
