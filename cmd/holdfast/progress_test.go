package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/snapshot"
)

func TestPlainProgressIsALineNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		a := newApp(nil, io.Discard, &out)
		m := a.startProgress()
		var report snapshot.Progress = m.Report
		time.Sleep(time.Second / 2) // between the ticks
		for range 90 {
			report.Report(snapshot.Step{Name: "a.db", Total: 180 << 20, Bytes: 1 << 20})
			time.Sleep(time.Second)
		}
		report.Report(snapshot.Step{Name: "b", Bytes: 10 << 20, Done: true})
		m.Stop()
		m.Stop()
		want := `progress: 30 MiB of 180 MiB (16 %), 1.0 MiB/s, 0 of 1 stream done, about 2m30s left
progress: 60 MiB of 180 MiB (33 %), 1.0 MiB/s, 0 of 1 stream done, about 2m0s left
progress: 90 MiB of 180 MiB (50 %), 1.0 MiB/s, 0 of 1 stream done, about 1m30s left
progress: 100 MiB in 1m30.5s (1.1 MiB/s), 1 of 2 streams done
`
		if got := out.String(); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

func TestProgressIsSilentWhenAsked(t *testing.T) {
	for _, a := range []*app{{quiet: true}, {noProgress: true}} {
		var out strings.Builder
		a.stderr = &swappable{w: &out}
		m := a.startProgress()
		m.Report(snapshot.Step{Name: "x", Bytes: 1})
		m.Stop()
		if out.Len() > 0 {
			t.Errorf("%+v printed %q", a, out.String())
		}
	}
}

func TestProgressIsReportedFromManyGoroutines(t *testing.T) {
	m := newMeter(&lines{w: io.Discard})
	var g sync.WaitGroup
	for i := range 8 {
		g.Go(func() {
			for range 1000 {
				m.Report(snapshot.Step{Name: fmt.Sprint(i % 3), Bytes: 2, Total: 16000})
			}
		})
	}
	g.Wait()
	m.Stop()
	if s := sum(m.sorted()); s.bytes != 16000 || s.tracks != 3 || s.total != 48000 {
		t.Errorf("counted %+v", s)
	}
}

// Streams of unknown size, empty ones and ones that never end must not keep Stop from
// returning, and what is logged meanwhile must reach the terminal.
func TestBarsShowOnATerminalAndEnd(t *testing.T) {
	terminal, screen := openTerminal(t)
	a := newApp(nil, io.Discard, terminal)
	if a.screen == nil {
		t.Fatal("the terminal is not taken for one")
	}
	m := a.startProgress()
	m.Report(snapshot.Step{Name: "known.db", Total: 4 << 20, Bytes: 4 << 20})
	m.Report(snapshot.Step{Name: "unknown", Bytes: 5 << 20})
	m.Report(snapshot.Step{Name: "empty", Done: true})
	time.Sleep(600 * time.Millisecond)
	if w := a.stderr.swap(nil); w == io.Writer(terminal) {
		t.Error("what is said meanwhile would be drawn over")
	} else {
		a.stderr.swap(w)
	}
	fmt.Fprintln(a.stderr, "said meanwhile")
	time.Sleep(300 * time.Millisecond)
	m.Report(snapshot.Step{Name: "known.db", Done: true})
	stopped := make(chan struct{})
	go func() { m.Stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Fatal("Stop does not return")
	}
	fmt.Fprintln(a.stderr, "said after")
	waitFor(t, func() bool { return strings.Contains(screen(), "said after") }) // and with it all that came before
	got := screen()
	for _, want := range []string{"known.db", "4.0 MiB / 4.0 MiB", "unknown", "5.0 MiB", "empty", "said meanwhile", "said after", "done"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q on the screen:\n%q", want, got)
		}
	}
}

// A database has more tables than a screen has lines: the last bar moves for all that have none.
func TestStreamsWithoutABarOfTheirOwnShareOne(t *testing.T) {
	terminal, _ := openTerminal(t)
	b := newBars(terminal, &swappable{w: terminal})
	var tracks []*track
	for i := range 40 {
		table := &track{name: fmt.Sprintf("data/public/t%02d/%d", i/2, i%2)} // two parts each
		table.bytes.Store(5)
		table.done.Store(true)
		tracks = append(tracks, table)
	}
	for range 2 { // every tick counts afresh
		out := b.fold(tracks, false)
		if len(out) != maxBars || out[0].bytes.Load() != 10 || out[maxBars-1].name != rest || out[maxBars-1].bytes.Load() != 2*5*(20-maxBars+1) {
			t.Fatalf("%d bars, the last %q has %d bytes", len(out), out[len(out)-1].name, out[len(out)-1].bytes.Load())
		}
	}
	b.end(tracks, time.Second)
	for track, bar := range b.shown {
		if !b.finished[bar] {
			t.Errorf("the bar of %s is not done", track.name)
		}
	}
	if len(b.shown) != maxBars {
		t.Errorf("%d bars", len(b.shown))
	}
}

// openTerminal makes a pseudo-terminal; screen returns what was written to it.
func openTerminal(t *testing.T) (terminal *os.File, screen func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			mu.Lock()
			seen.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		terminal.Close() // the reader sees its end
		<-done
		master.Close()
	})
	return terminal, func() string {
		mu.Lock()
		defer mu.Unlock()
		return seen.String()
	}
}
