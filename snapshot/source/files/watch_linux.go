package files

import (
	"context"
	"fmt"
	"hash/maphash"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A state is what changes when an entry does. Access times are not in it.
type state struct {
	dev, ino, rdev, nlink uint64
	mode, uid, gid        uint32
	size                  int64
	mtime, ctime          unix.Timespec
}

func stateOf(st *unix.Stat_t) state {
	return state{st.Dev, st.Ino, st.Rdev, uint64(st.Nlink), st.Mode, st.Uid, st.Gid, st.Size, st.Mtim, st.Ctim}
}

// A watch remembers the state of every entry when it was read and finds, afterwards, which
// of them changed. It holds two hashes for each, about 40 bytes with the map around them:
// it is the one thing here that grows with the number of entries.
type watch struct {
	seed   maphash.Seed
	states map[uint64]uint64
	count  int64
	sample []string
}

func newWatch() *watch {
	return &watch{seed: maphash.MakeSeed(), states: map[uint64]uint64{}}
}

// read notes the state in which an entry was read.
func (w *watch) read(p *place) {
	w.states[maphash.String(w.seed, p.path)] = maphash.Comparable(w.seed, stateOf(&p.stat))
}

// unsettled notes that path was not read in any one state.
func (w *watch) unsettled(path string) {
	w.states[maphash.String(w.seed, path)] = 0
}

// compare looks at p again.
func (w *watch) compare(p *place) {
	key := maphash.String(w.seed, p.path)
	was, ok := w.states[key]
	delete(w.states, key)
	if !ok || was != maphash.Comparable(w.seed, stateOf(&p.stat)) {
		w.changed(p.path)
	}
}

func (w *watch) changed(path string) {
	w.count++
	if len(w.sample) < 10 {
		w.sample = append(w.sample, strconv.Quote(path))
	}
}

// again walks the tree once more and counts what changed, came and went since it was read.
func (w *watch) again(ctx context.Context, set settings, root *place) error {
	again := walk{settings: set, mount: func() {}}
	again.gone = func(path string) error { w.changed(path); return nil }
	again.visit = func(p *place) error {
		if !p.is(unix.S_IFSOCK) {
			w.compare(p)
		}
		return nil
	}
	if err := again.run(ctx, root); err != nil {
		return fmt.Errorf("looking again: %w", err)
	}
	w.count += int64(len(w.states))
	return nil
}

// tick is longer than the step of the kernel's clock for file times. Two writes within one
// step leave the same times, so a file is read only when its last change is older.
const tick = 20 * time.Millisecond

// settle waits until a change of the file from now on must show in its times.
func settle(ctx context.Context, st *unix.Stat_t) error {
	if !fresh(st) {
		return nil
	}
	return pause(ctx, tick-age(st))
}

// fresh reports whether the file changed so recently that another change might not show.
func fresh(st *unix.Stat_t) bool {
	a := age(st)
	return a >= 0 && a < tick
}

func age(st *unix.Stat_t) time.Duration { return time.Since(time.Unix(st.Ctim.Unix())) }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
