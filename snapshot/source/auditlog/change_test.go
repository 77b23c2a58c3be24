package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"holdfast/snapshot/source/auditlog/auditlogtest"
)

func TestFileThatChangesWhileItIsReadIsAnError(t *testing.T) {
	m := auditlogtest.NewMaker(20)
	text := m.Lines(3000) // far more than is read ahead
	other := auditlogtest.NewMaker(21).Lines(3000)
	for name, change := range map[string]func(path string) error{
		"truncated":              func(path string) error { return os.Truncate(path, int64(len(text)/2)) },
		"truncated and refilled": func(path string) error { return os.WriteFile(path, append(bytes.Clone(other), other...), 0o600) },
		"rewritten in place":     func(path string) error { return overwrite(path, int64(len(text)-20)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "audit.log", text)
			path := filepath.Join(dir, "audit.log")
			var once sync.Once
			r := &auditlogtest.Recorder{}
			r.Wrote = func(string, int) (err error) {
				once.Do(func() { err = change(path) })
				return err
			}
			s := Source{Path: path}
			if err := s.Dump(t.Context(), r); !errors.Is(err, ErrChanged) {
				t.Errorf("Dump: %v, want %v", err, ErrChanged)
			}
			if len(r.Unsealed()) == 0 {
				t.Error("every stream was sealed")
			}
		})
	}
}

func overwrite(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("x"), at)
	return errors.Join(err, f.Close())
}

func TestLogThatGrowsAndRotatesWhileItIsReadIsTakenAsItWas(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	m := auditlogtest.NewMaker(22)
	old, text, more := m.Lines(1000), m.Lines(3000), m.Lines(100)
	write(t, dir, "audit.log.1", old)
	write(t, dir, "audit.log", text)
	var once sync.Once
	r := &recorder{}
	r.Wrote = func(string, int) (err error) {
		once.Do(func() {
			err = errors.Join(appendTo(path, more), os.Rename(path+".1", path+".2"), os.Rename(path, path+".1"),
				os.Remove(path+".2"), os.WriteFile(path, more, 0o600))
		})
		return err
	}
	s := Source{Path: path}
	must(t, s.Dump(t.Context(), r))
	x := r.index(t)
	if len(x.Files) != 2 || !bytes.Equal(r.Part(x.Files[0].Stream).Bytes(), old) || !bytes.Equal(r.Part(x.Files[1].Stream).Bytes(), text) {
		t.Errorf("%d files, not the two that were there", len(x.Files))
	}
}

func TestRotationNeverHidesALine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	m := auditlogtest.NewMaker(23)
	write(t, dir, "audit.log", m.Lines(5))
	done := make(chan error, 1)
	go func() {
		for n := 1; n <= 30; n++ {
			time.Sleep(20 * time.Millisecond)
			if err := rotate(path, n, m.Lines(1)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	taken := 0
	for rotating := true; rotating; {
		select {
		case err := <-done:
			must(t, err)
			rotating = false
		default:
		}
		r := &recorder{}
		s := Source{Path: path}
		err := s.Dump(t.Context(), r)
		if errors.Is(err, ErrChanged) && rotating {
			continue // rotated five times in a row while it was looked at
		}
		must(t, err)
		taken++
		if f := r.facts(t); f.Counts.Lines != 10+2*int64(f.Files-1) {
			t.Fatalf("%d lines in %d files: one was missed", f.Counts.Lines, f.Files)
		}
	}
	t.Logf("%d dumps taken while rotating", taken)
	if r := dump(t, path, nil); r.facts(t).Files != 31 {
		t.Errorf("%d files after 30 rotations", r.facts(t).Files)
	}
}

// rotate gives each file the next number, as logrotate does. A file of two lines takes the place.
func rotate(path string, files int, text []byte) error {
	for n := files; n > 1; n-- {
		if err := os.Rename(fmt.Sprintf("%s.%d", path, n-1), fmt.Sprintf("%s.%d", path, n)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return errors.Join(os.Rename(path, path+".1"), os.Rename(path+".new", path))
}

func appendTo(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
