package auditlog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"holdfast/fixtures"
	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/auditlog"
)

func TestLogIsRestoredAsItWas(t *testing.T) {
	d, want := sample(t)
	place := filepath.Join(t.TempDir(), "log")
	loaded := load(t, Target{Path: place}, d)
	if diff := cmp.Diff(want.text(), folder(t, place)); diff != "" {
		t.Error("the files are not the same")
	}
	info, err := os.Stat(filepath.Join(place, "audit.log.1"))
	must(t, err)
	if info.Mode().Perm() != 0o600 || !info.ModTime().Equal(modified) {
		t.Errorf("%s, of %s", info.Mode(), info.ModTime())
	}
	for i, info := range d.Streams() {
		if got := loaded.Streams[i]; got != (restore.LoadedStream{Name: info.Name, Rows: info.Rows, Bytes: info.Bytes}) {
			t.Errorf("loaded %+v of %s", got, info.Name)
		}
	}
	if len(loaded.Streams) != 4 || loaded.Place != place {
		t.Errorf("loaded %+v", loaded)
	}
	noStaging(t, place)
}

func TestPartOfALogIsRestored(t *testing.T) {
	d, want := sample(t)
	place := filepath.Join(t.TempDir(), "log")
	loaded := load(t, Target{Path: place, Only: []string{"*.2", "audit.log.9"}}, d)
	if diff := cmp.Diff(files{"audit.log.2": want["audit.log.2"]}.text(), folder(t, place)); diff != "" {
		t.Error("not that file alone")
	}
	if len(loaded.Notes) != 1 || !strings.Contains(loaded.Notes[0], "audit.log.9 matches nothing") {
		t.Errorf("notes: %q", loaded.Notes)
	}
	index := d.Part(auditlog.IndexStream).Info.Bytes
	if read := d.Read.Load(); read > 3*index+int64(len(want["audit.log.2"])) {
		t.Errorf("%d bytes were read for one file", read)
	}
}

func TestWhatStandsInTheWayIsRefused(t *testing.T) {
	d, _ := sample(t)
	for name, test := range map[string]struct {
		target func(dir string) Target
		want   error
	}{
		"a folder with a file": {func(dir string) Target { touch(t, dir, "log/other"); return Target{Path: dir + "/log"} }, restore.ErrOccupied},
		"a file":               {func(dir string) Target { touch(t, dir, "log"); return Target{Path: dir + "/log", Replace: true} }, restore.ErrOccupied},
		"a symlink": {func(dir string) Target {
			must(t, os.Symlink("/", filepath.Join(dir, "log")))
			return Target{Path: dir + "/log", Replace: true}
		}, restore.ErrOccupied},
		"no parent":          {func(dir string) Target { return Target{Path: dir + "/none/log"} }, errAny},
		"no path":            {func(string) Target { return Target{} }, errAny},
		"no match":           {func(dir string) Target { return Target{Path: dir + "/log", Only: []string{"x"}} }, ErrNoMatch},
		"a bad pattern":      {func(dir string) Target { return Target{Path: dir + "/log", Only: []string{"["}} }, errAny},
		"a part for a whole": {func(dir string) Target { return Target{Path: dir + "/log", Only: []string{"*"}, Replace: true} }, errPartialReplace},
	} {
		t.Run(name, func(t *testing.T) {
			target := test.target(t.TempDir())
			for step, err := range map[string]error{
				"Preflight": target.Preflight(t.Context(), d),
				"Load":      func() error { _, err := target.Load(t.Context(), d); return err }(),
			} {
				if err == nil || test.want != errAny && !errors.Is(err, test.want) {
					t.Errorf("%s: %v, want %v", step, err, test.want)
				}
			}
		})
	}
}

// errAny stands for an error without a sentinel.
var errAny = errors.New("any error")

func touch(t testing.TB, dir, name string) {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte("there before"), 0o644))
}

func TestFailedLoadLeavesTheTargetAsItWas(t *testing.T) {
	for _, replace := range []bool{false, true} {
		d, _ := sample(t)
		dir := t.TempDir()
		place := filepath.Join(dir, "log")
		if replace {
			touch(t, dir, "log/other")
		}
		cause := errors.New("the store went away")
		d.Wrap = breakAt(30000, cause)
		target := Target{Path: place, Replace: replace}
		if _, err := target.Load(t.Context(), d); !errors.Is(err, cause) {
			t.Errorf("Load: %v", err)
		}
		if replace && folder(t, place)["other"] != "there before" || !replace && exists(place) {
			t.Error("the target changed")
		}
		noStaging(t, place)
	}
}

func TestReplaceAndRehearse(t *testing.T) {
	d, want := sample(t)
	dir := t.TempDir()
	place := filepath.Join(dir, "log")
	touch(t, dir, "log/other")
	rehearsed := load(t, Target{Path: place, Replace: true, Rehearse: true}, d)
	if len(rehearsed.Streams) != 4 || folder(t, place)["other"] != "there before" {
		t.Errorf("after a rehearsal: %+v", rehearsed)
	}
	noStaging(t, place)
	load(t, Target{Path: place, Replace: true}, d)
	if diff := cmp.Diff(want.text(), folder(t, place)); diff != "" {
		t.Error("the folder was not replaced")
	}
	noStaging(t, place)
}

func TestFileSystemThatCannotExchangeNames(t *testing.T) {
	renameat2 = func(int, string, int, string, uint) error { return unix.EINVAL }
	t.Cleanup(func() { renameat2 = unix.Renameat2 })
	d, want := sample(t)
	dir := t.TempDir()
	touch(t, dir, "log/other")
	load(t, Target{Path: filepath.Join(dir, "log"), Replace: true}, d)
	load(t, Target{Path: filepath.Join(dir, "new")}, d)
	for _, name := range []string{"log", "new"} {
		if diff := cmp.Diff(want.text(), folder(t, filepath.Join(dir, name))); diff != "" {
			t.Errorf("%s was not restored", name)
		}
	}
	noStaging(t, filepath.Join(dir, "log"))
}

func TestFileThatCameMeanwhileIsNotLost(t *testing.T) {
	for _, flags := range []bool{true, false} {
		renameat2 = unix.Renameat2
		if !flags {
			renameat2 = func(int, string, int, string, uint) error { return unix.EINVAL }
		}
		t.Cleanup(func() { renameat2 = unix.Renameat2 })
		d, _ := sample(t)
		dir := t.TempDir()
		d.Wrap = nil
		target := Target{Path: filepath.Join(dir, "log")}
		target.Progress = func(s snapshot.Step) {
			if s.Done {
				touch(t, dir, "log/other")
			}
		}
		if _, err := target.Load(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
			t.Errorf("Load: %v", err)
		}
		if folder(t, target.Path)["other"] != "there before" {
			t.Error("what came meanwhile is gone")
		}
		noStaging(t, target.Path)
	}
}

func TestWhatAKilledLoadLeftIsSweptAway(t *testing.T) {
	d, want := sample(t)
	dir := t.TempDir()
	place := filepath.Join(dir, "log")
	left := filepath.Join(dir, stagingPrefix(place)+"1")
	touch(t, left, "lock")
	touch(t, left, "old/other") // moved aside, and then the process died
	young := filepath.Join(dir, stagingPrefix(place)+"2")
	must(t, os.Mkdir(young, 0o700))

	rehearsal := Target{Path: place, Rehearse: true}
	if _, err := rehearsal.Load(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("rehearsing: %v", err)
	}
	target := Target{Path: place}
	if _, err := target.Load(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("Load: %v", err)
	}
	if folder(t, place)["other"] != "there before" || exists(left) || !exists(young) {
		t.Error("what was moved aside was not put back")
	}
	old := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(young, old, old))
	load(t, Target{Path: place, Replace: true}, d)
	if diff := cmp.Diff(want.text(), folder(t, place)); diff != "" {
		t.Error("the log was not restored")
	}
	noStaging(t, place)
}

func TestFolderOfALivingLoadIsLeftAlone(t *testing.T) {
	d, _ := sample(t)
	place := filepath.Join(t.TempDir(), "log")
	s, err := newStaging(place)
	must(t, err)
	load(t, Target{Path: place}, d)
	if !exists(s.tree()) {
		t.Error("another load's folder was swept away")
	}
	must(t, s.remove())
	noStaging(t, place)
}

func TestListThatLacksAFileIsRefused(t *testing.T) {
	d, _ := sample(t)
	index := d.Part(auditlog.IndexStream)
	text := index.String()
	index.Reset()
	index.WriteString(text[:strings.Index(text, "[")+1] + text[strings.Index(text, "},")+2:])
	target := Target{Path: filepath.Join(t.TempDir(), "log")}
	if _, err := target.Load(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("Load: %v", err)
	}
	if exists(target.Path) {
		t.Error("a log without one of its files is in place")
	}
}

func TestNamesThatLeadElsewhereAreRefused(t *testing.T) {
	for _, name := range []string{"../../escaped", "/escaped", "..", "a/b", ""} {
		d, _ := sample(t)
		index := d.Part(auditlog.IndexStream)
		text := strings.ReplaceAll(index.String(), `"audit.log.2"`, `"`+name+`"`)
		index.Reset()
		index.WriteString(text)
		place := filepath.Join(t.TempDir(), "log")
		target := Target{Path: place}
		if _, err := target.Load(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("a file named %q: %v", name, err)
		}
	}
}

func TestFullDiskIsFoundBeforeAndDuringTheLoad(t *testing.T) {
	d, _ := sample(t)
	place := filepath.Join(fixtures.SmallDisk(t, 256<<10), "log")
	target := Target{Path: place}
	if err := target.Preflight(t.Context(), d); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Preflight: %v", err)
	}
	if _, err := target.Load(t.Context(), d); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Load: %v", err)
	}
	if exists(place) {
		t.Error("a part of the log is in place")
	}
	noStaging(t, place)
}

func TestCanceledLoadLeavesNothing(t *testing.T) {
	d, _ := sample(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the drill took too long")
	target := Target{Path: filepath.Join(t.TempDir(), "log"), Progress: func(snapshot.Step) { cancel(cause) }}
	if _, err := target.Load(ctx, d); !errors.Is(err, cause) {
		t.Errorf("Load: %v", err)
	}
	if exists(target.Path) {
		t.Error("a part of the log is in place")
	}
	noStaging(t, target.Path)
}
