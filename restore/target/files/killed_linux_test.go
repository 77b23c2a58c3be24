package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/restore"
	"holdfast/snapshot/source/files"
	"holdfast/snapshot/source/files/filestest"
)

// A test that kills a restore runs this binary again, to restore HOLDFAST_TEST_FROM to
// HOLDFAST_TEST_TO and to stop for ever when that many bytes of the tree were read.
func TestMain(m *testing.M) {
	if from := os.Getenv("HOLDFAST_TEST_FROM"); from != "" {
		if err := restoreAndStop(from, os.Getenv("HOLDFAST_TEST_TO"), os.Getenv("HOLDFAST_TEST_STOP")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func restoreAndStop(from, to, stop string) error {
	at, err := strconv.ParseInt(stop, 10, 64)
	if err != nil {
		return err
	}
	rec := filestest.NewRecorder()
	ctx := context.Background()
	if err := (&files.Source{Path: from}).Dump(ctx, rec); err != nil {
		return err
	}
	d := &stored{rec: rec}
	d.wrap = func(stream string, r io.Reader) io.Reader {
		if stream != files.TreeStream {
			return r
		}
		return io.MultiReader(io.LimitReader(r, at), stopped{})
	}
	_, err = (&Target{Path: to, Replace: true}).Load(ctx, d)
	return err
}

type stopped struct{}

func (stopped) Read([]byte) (int, error) {
	fmt.Println("stopped")
	select {}
}

func TestKilledRestoreLeavesTheTargetAndTheNextOneCleansUp(t *testing.T) {
	source := filestest.OddTree(t)
	d := store(t, source)
	dir := t.TempDir()
	to := filepath.Join(dir, "to")
	writeTree(t, to, map[string]string{"precious": "precious"})
	before := filestest.Describe(t, to)
	size := d.rec.Streams[files.TreeStream].Len()
	for _, at := range []int{512, size / 4, size / 2, size} {
		killAt(t, source, to, at)
		if diff := cmp.Diff(before, filestest.Describe(t, to)); diff != "" {
			t.Fatalf("killed at %d of %d: %s", at, size, diff)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".holdfast-*"))
	must(t, err)
	if len(left) != 1 {
		t.Errorf("four killed restores left %q: each should remove what the one before left", left)
	}
	must(t, (&Target{Path: to, Replace: true}).Preflight(t.Context(), d))
	loaded := load(t, Target{Path: to, Replace: true}, d)
	if len(loaded.Notes) != 1 || !strings.Contains(loaded.Notes[0], "killed restore") {
		t.Errorf("notes %q", loaded.Notes)
	}
	if diff := cmp.Diff(filestest.Describe(t, source), filestest.Describe(t, to)); diff != "" {
		t.Error(diff)
	}
	noStaging(t, to)
}

func killAt(t *testing.T, from, to string, at int) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "HOLDFAST_TEST_FROM="+from, "HOLDFAST_TEST_TO="+to, fmt.Sprint("HOLDFAST_TEST_STOP=", at))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer func() { _ = cmd.Wait() }() // it was killed
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, cmd.Process.Kill())
	if err != nil || line != "stopped\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
}

func TestRehearsalOnlySaysWhatAKilledRestoreLeft(t *testing.T) {
	source := filestest.OddTree(t)
	d := store(t, source)
	to := filepath.Join(t.TempDir(), "to")
	writeTree(t, to, map[string]string{"precious": "precious"})
	killAt(t, source, to, 512)
	before := beside(t, to)
	loaded := load(t, Target{Path: to, Replace: true, Rehearse: true}, d)
	if diff := cmp.Diff(before, beside(t, to)); diff != "" {
		t.Errorf("a rehearsal changed something:\n%s", diff)
	}
	if text := strings.Join(loaded.Notes, "\n"); !strings.Contains(text, "was left by a killed restore") {
		t.Errorf("notes %q", loaded.Notes)
	}

	// What was moved aside stays there, and is in the way of a restore as if it were back.
	stages, err := filepath.Glob(filepath.Join(filepath.Dir(to), ".holdfast-*"))
	must(t, err)
	must(t, os.Rename(to, filepath.Join(stages[0], oldName)))
	before = beside(t, to)
	if _, err := (&Target{Path: to, Rehearse: true}).Load(t.Context(), d); !errors.Is(err, restore.ErrOccupied) {
		t.Errorf("without replace: %v", err)
	}
	loaded = load(t, Target{Path: to, Replace: true, Rehearse: true}, d)
	if text := strings.Join(loaded.Notes, "\n"); !strings.Contains(text, "will be put back first") {
		t.Errorf("notes %q", loaded.Notes)
	}
	if diff := cmp.Diff(before, beside(t, to)); diff != "" {
		t.Errorf("a rehearsal changed something:\n%s", diff)
	}
}

// beside describes all in the folder that path lies in. That folder's own times change.
func beside(t *testing.T, path string) map[string]string {
	t.Helper()
	all := filestest.Describe(t, filepath.Dir(path))
	delete(all, ".")
	return all
}
