package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/snapshot"
)

// A change at the worst moment: after the entry was read, while it is read, before it is.
func TestChangeDuringTheDumpIsFound(t *testing.T) {
	half := 3 << 20
	changes := map[string]struct {
		change func(dir string) error
		warns  bool // an error under "fail" only
	}{
		"read file rewritten":   {func(dir string) error { return os.WriteFile(dir+"/a", []byte("changed"), 0o600) }, true},
		"open file grows":       {func(dir string) error { return appendTo(dir + "/big") }, true},
		"open file rewritten":   {func(dir string) error { return pokeAt(dir+"/big", 5<<20) }, true},
		"open file shrinks":     {func(dir string) error { return os.Truncate(dir+"/big", 4<<20) }, false},
		"open file replaced":    {func(dir string) error { return replaceFile(dir + "/big") }, true},
		"later file vanishes":   {func(dir string) error { return os.Remove(dir + "/z") }, true},
		"later dir vanishes":    {func(dir string) error { return os.Remove(dir + "/y") }, true},
		"read file vanishes":    {func(dir string) error { return os.Remove(dir + "/a") }, true},
		"file appears before":   {func(dir string) error { return os.WriteFile(dir+"/0", nil, 0o600) }, true},
		"file appears after":    {func(dir string) error { return os.WriteFile(dir+"/zz", []byte("new"), 0o600) }, true},
		"mode changes":          {func(dir string) error { return os.Chmod(dir+"/a", 0o644) }, true},
		"file becomes symlink":  {func(dir string) error { return swapForSymlink(dir + "/z") }, true},
		"file becomes a fifo":   {func(dir string) error { return swapForFifo(dir + "/z") }, true},
		"dir becomes a symlink": {func(dir string) error { return swapForSymlink(dir + "/y") }, true},
	}
	for name, c := range changes {
		for _, policy := range []string{"fail", "warn"} {
			t.Run(name+"/"+policy, func(t *testing.T) {
				dir := t.TempDir()
				must(t, os.WriteFile(dir+"/a", []byte("first"), 0o600))
				must(t, os.WriteFile(dir+"/big", bytes.Repeat([]byte("x"), 6<<20), 0o600))
				must(t, os.Mkdir(dir+"/y", 0o700))
				must(t, os.WriteFile(dir+"/z", []byte("last"), 0o600))
				r := newRecorder()
				r.Written = func(stream string, total int) {
					if stream == TreeStream && total > half {
						r.Written = nil
						must(t, c.change(dir))
					}
				}
				err := (&Source{Path: dir, OnChange: policy}).Dump(t.Context(), r)
				if policy == "fail" || !c.warns {
					if !errors.Is(err, ErrChanged) || r.Streams[TreeStream].Sealed {
						t.Fatalf("error %v, sealed %t", err, r.Streams[TreeStream].Sealed)
					}
					return
				}
				must(t, err)
				r.check(t)
				f := r.facts(t)
				if f.Changed == 0 || len(r.Warnings) != 1 || strings.Contains(fmt.Sprint(r.Warnings), dir) {
					t.Errorf("facts %+v, warnings %q", f, r.Warnings)
				}
			})
		}
	}
}

func TestWriterAtFullSpeedNeverYieldsATornSmallFile(t *testing.T) {
	dir := t.TempDir()
	w := startWriter(t, filepath.Join(dir, "counter"))
	for range 10 {
		w.longest.Store(0)
		r := newRecorder()
		err := (&Source{Path: dir, Retries: 1}).Dump(t.Context(), r)
		w.wait()
		if err != nil {
			if !errors.Is(err, ErrChanged) {
				t.Error(err)
			}
			continue
		}
		e := r.entries(t)["counter"]
		data := r.tree()[e.Offset : e.Offset+e.Size]
		// A writer that gets no processor in the middle of a round leaves the file torn on
		// disk; that is then what is there. File times may be one step of the clock old.
		if !bytes.Equal(data, bytes.Repeat(data[:1], len(data))) && time.Duration(w.longest.Load()) < tick/2 {
			t.Error("a torn file was dumped without an error")
		}
	}
	w.stop()
	dump(t, Source{Path: dir}).check(t)
}

// A fileWriter rewrites a file in rounds of sixteen writes, without a pause.
type fileWriter struct {
	file    *os.File
	rounds  atomic.Int64
	longest atomic.Int64 // time between two writes, in nanoseconds
	quit    chan struct{}
	done    chan error
}

func startWriter(t *testing.T, path string) *fileWriter {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	w := &fileWriter{file: f, quit: make(chan struct{}), done: make(chan error, 1)}
	go func() { w.done <- w.run() }()
	w.wait()
	t.Cleanup(func() {
		must(t, <-w.done)
		must(t, f.Close())
	})
	return w
}

func (w *fileWriter) run() error {
	last := time.Now()
	for n := byte(0); ; n++ {
		select {
		case <-w.quit:
			return nil
		default:
		}
		for i := range int64(16) {
			if _, err := w.file.WriteAt(bytes.Repeat([]byte{n}, 4096), i*4096); err != nil {
				return err
			}
			now := time.Now()
			w.longest.Store(max(w.longest.Load(), int64(now.Sub(last))))
			last = now
		}
		w.rounds.Add(1)
	}
}

// wait returns after another whole round.
func (w *fileWriter) wait() {
	for until := w.rounds.Load() + 2; w.rounds.Load() < until; {
		time.Sleep(time.Millisecond)
	}
}

func (w *fileWriter) stop() {
	close(w.quit)
	w.done <- <-w.done
}

// The name means a symlink by the time the file is opened.
func TestFileSwappedForASymlinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o600))
	root, err := root(dir)
	must(t, err)
	defer unix.Close(root.dir)
	p := &place{path: "a", dir: root.fd, name: "a", fd: -1}
	must(t, statAt(p.dir, p.name, &p.stat))
	must(t, os.Remove(filepath.Join(dir, "a")))
	must(t, os.Symlink("/etc/hostname", filepath.Join(dir, "a")))
	if _, err := newCapture(t.Context(), settings{}, root).openFile(p); !errors.Is(err, errGone) {
		t.Errorf("opened: %v", err)
	}
}

func TestSmallFileIsReadAgainUntilItIsSteady(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "log")
	must(t, os.WriteFile(file, []byte("0\n"), 0o600))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 15 {
			time.Sleep(4 * time.Millisecond)
			must(t, appendTo(file))
		}
	}()
	r := dump(t, Source{Path: file, Retries: 8})
	<-done
	r.check(t)
	if f := r.facts(t); f.Changed != 0 {
		t.Errorf("facts %+v", f)
	}
}

func appendTo(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("more\n")
	return errors.Join(err, f.Close())
}

func pokeAt(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("POKE"), at)
	return errors.Join(err, f.Close())
}

func replaceFile(path string) error {
	if err := os.WriteFile(path+".new", []byte("new"), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func swapForSymlink(path string) error {
	return errors.Join(os.Remove(path), os.Symlink("/etc", path))
}

func swapForFifo(path string) error {
	return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600))
}

func (f *fullDump) Stream(ctx context.Context, s snapshot.Stream) (snapshot.StreamWriter, error) {
	w, err := f.recorder.Stream(ctx, s)
	return fullWriter{w, f.err}, err
}
