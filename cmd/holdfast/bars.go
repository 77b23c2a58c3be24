package main

import (
	"io"
	"path"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bars is the view for a terminal: one bar a stream, with bytes, rate and time left. While
// it shows, what is written to stderr appears above the bars.
type bars struct {
	progress *mpb.Progress
	stderr   *swappable
	before   io.Writer // what stderr was
	shown    map[*track]*mpb.Bar
	folders  map[string]*track
	finished map[*mpb.Bar]bool // kept here: asking a bar races with its drawing (mpb 8.9)
}

// maxBars is how many bars there are; a screen has only so many lines. The last is for all streams that
// have none of their own.
const (
	maxBars = 12
	rest    = "all others"
)

func newBars(screen io.Writer, stderr *swappable) *bars {
	b := &bars{stderr: stderr, shown: map[*track]*mpb.Bar{}, folders: map[string]*track{}, finished: map[*mpb.Bar]bool{}}
	b.progress = mpb.New(mpb.WithOutput(screen), mpb.WithRefreshRate(200*time.Millisecond), mpb.WithWidth(32))
	b.before = stderr.swap(b.progress)
	return b
}

func (b *bars) interval() time.Duration { return 200 * time.Millisecond }

func (b *bars) show(tracks []*track, _ time.Duration) { b.draw(b.fold(tracks, false)) }

// fold puts the streams of one folder, such as the parts of a table, together into one track. More of
// them may come until the end, so only then is such a track done.
func (b *bars) fold(tracks []*track, ended bool) []*track {
	var out []*track
	for _, f := range b.folders {
		f.bytes.Store(0)
		f.total.Store(0)
		f.done.Store(ended)
	}
	listed := map[*track]bool{}
	for _, t := range tracks {
		own := t
		if strings.Count(t.name, "/") >= 2 {
			own = b.folder(path.Dir(t.name))
		}
		if !listed[own] && len(out) >= maxBars-1 {
			own = b.folder(rest)
		}
		if own != t {
			own.include(t)
		}
		if !listed[own] {
			listed[own] = true
			out = append(out, own)
		}
	}
	return out
}

func (b *bars) folder(name string) *track {
	if b.folders[name] == nil {
		b.folders[name] = &track{name: name}
	}
	return b.folders[name]
}

// include adds t to a track of several.
func (f *track) include(t *track) {
	n := t.bytes.Load()
	f.bytes.Add(n)
	f.total.Add(max(n, t.total.Load()))
	if !t.done.Load() {
		f.done.Store(false)
	}
}

func (b *bars) draw(tracks []*track) {
	for _, t := range tracks {
		bar := b.shown[t]
		if bar == nil && len(b.shown) < maxBars {
			bar = b.add(t)
		}
		if bar == nil || b.finished[bar] {
			continue
		}
		n, total := t.bytes.Load(), t.total.Load()
		if t.done.Load() {
			bar.SetCurrent(n)
			bar.SetTotal(max(1, n), true) // an empty stream completes too
			b.finished[bar] = true
			continue
		}
		// A bar that reaches its total completes by itself, before its stream is done;
		// keeping one byte back prevents that.
		bar.SetTotal(max(total, n+1), false)
		bar.SetCurrent(n)
	}
}

func (b *bars) add(t *track) *mpb.Bar {
	bar := b.progress.AddBar(0,
		mpb.PrependDecorators(decor.Name(t.name, decor.WCSyncSpaceR), decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace)),
		mpb.AppendDecorators(
			decor.OnComplete(decor.AverageSpeed(decor.SizeB1024(0), "% .1f", decor.WCSyncSpace), "done"),
			decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace), ""),
		))
	b.shown[t] = bar
	return bar
}

// end leaves the bars as they are. Waiting for a bar that never completed would last for
// ever, so those are aborted.
func (b *bars) end(tracks []*track, _ time.Duration) {
	b.draw(b.fold(tracks, true))
	for _, bar := range b.shown {
		if !b.finished[bar] {
			bar.Abort(false)
		}
	}
	b.stderr.swap(b.before)
	b.progress.Wait()
}
