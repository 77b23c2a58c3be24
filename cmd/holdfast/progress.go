package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/snapshot"
)

// A meter shows the progress of one command: as bars on a terminal, as a plain line now and
// then elsewhere, or not at all. Report is its snapshot.Progress; Stop ends it.
type meter struct {
	tracks  sync.Map // name to *track
	order   atomic.Int32
	started time.Time
	view    view
	quit    chan struct{}
	done    chan struct{}
	once    sync.Once
}

// A track is what was reported under one name.
type track struct {
	name  string
	order int32 // of the first report
	bytes atomic.Int64
	total atomic.Int64 // 0 if unknown
	done  atomic.Bool
}

// A view shows tracks: show is called at every tick and end once, after the last, both from
// one goroutine.
type view interface {
	interval() time.Duration
	show(tracks []*track, elapsed time.Duration)
	end(tracks []*track, elapsed time.Duration)
}

// startProgress begins to show progress as the flags and the terminal allow. The caller
// stops the meter before it prints a result.
func (a *app) startProgress() *meter {
	var v view
	switch {
	case a.quiet || a.noProgress:
	case a.screen != nil:
		v = newBars(a.screen, a.stderr)
	default:
		v = &lines{w: a.stderr}
	}
	return newMeter(v)
}

// newMeter makes a meter; a nil view shows nothing.
func newMeter(v view) *meter {
	m := &meter{started: time.Now(), view: v, quit: make(chan struct{}), done: make(chan struct{})}
	if v == nil {
		close(m.done)
		return m
	}
	go m.run()
	return m
}

// Report adds one step. It only counts; drawing is for the meter's own goroutine.
func (m *meter) Report(s snapshot.Step) {
	if m.view == nil {
		return
	}
	found, ok := m.tracks.Load(s.Name)
	if !ok {
		found, _ = m.tracks.LoadOrStore(s.Name, &track{name: s.Name, order: m.order.Add(1)})
	}
	t := found.(*track)
	if s.Total > 0 {
		t.total.Store(s.Total)
	}
	t.bytes.Add(s.Bytes)
	if s.Done {
		t.done.Store(true)
	}
}

// Stop shows the last state and waits until nothing more is drawn. Calling it again is fine.
func (m *meter) Stop() {
	m.once.Do(func() { close(m.quit) })
	<-m.done
}

func (m *meter) run() {
	defer close(m.done)
	tick := time.NewTicker(m.view.interval())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.view.show(m.sorted(), time.Since(m.started))
		case <-m.quit:
			m.view.end(m.sorted(), time.Since(m.started))
			return
		}
	}
}

func (m *meter) sorted() []*track {
	var all []*track
	m.tracks.Range(func(_, t any) bool {
		all = append(all, t.(*track))
		return true
	})
	slices.SortFunc(all, func(a, b *track) int { return cmp.Compare(a.order, b.order) })
	return all
}

// lines is the view for logs and pipes.
type lines struct{ w io.Writer }

func (l *lines) interval() time.Duration { return 30 * time.Second }

func (l *lines) show(tracks []*track, elapsed time.Duration) {
	if s := sum(tracks); s.bytes > 0 {
		fmt.Fprintf(l.w, "progress: %s\n", s.text(elapsed))
	}
}

func (l *lines) end(tracks []*track, elapsed time.Duration) {
	if s := sum(tracks); s.bytes > 0 {
		fmt.Fprintf(l.w, "progress: %s in %s (%s/s), %s\n", bytesText(s.bytes), elapsed.Round(100*time.Millisecond), speed(s.bytes, elapsed), s.streams())
	}
}

// A tally is the state of all tracks together. Its total is 0 unless every one is known.
type tally struct {
	bytes, total int64
	done, tracks int
}

func sum(tracks []*track) tally {
	s := tally{tracks: len(tracks)}
	known := true
	for _, t := range tracks {
		n, total := t.bytes.Load(), t.total.Load()
		s.bytes += n
		if t.done.Load() {
			s.done++
			total = n
		}
		known = known && total > 0
		s.total += max(n, total)
	}
	if !known {
		s.total = 0
	}
	return s
}

func (s tally) text(elapsed time.Duration) string {
	out := bytesText(s.bytes)
	if s.total > 0 {
		out += fmt.Sprintf(" of %s (%d %%)", bytesText(s.total), 100*s.bytes/s.total)
	}
	out += fmt.Sprintf(", %s/s, %s", speed(s.bytes, elapsed), s.streams())
	if s.total > 0 && s.bytes > 0 {
		left := time.Duration(float64(elapsed) * float64(s.total-s.bytes) / float64(s.bytes))
		out += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	return out
}

func (s tally) streams() string {
	return fmt.Sprintf("%d of %s done", s.done, count(s.tracks, "stream"))
}

func speed(bytes int64, elapsed time.Duration) string {
	if elapsed <= 0 {
		return bytesText(0)
	}
	return bytesText(int64(float64(bytes) / elapsed.Seconds()))
}
