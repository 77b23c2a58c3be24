package raft

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/fixtures/tools"
	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
	"holdfast/snapshot"
	"holdfast/snapshot/source/raft"
)

func program(t *testing.T) string {
	t.Helper()
	path, err := tools.Find("vault")
	must(t, err)
	return path
}

// nothingLeft fails the test if a rehearsal left its folder, or a process that works there.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		t.Errorf("%s was left", e.Name())
	}
	for _, pid := range working(t, dir) {
		t.Errorf("process %s was left", pid)
	}
}

// working lists the processes that have their working directory below dir.
func working(t *testing.T, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	must(t, err)
	var pids []string
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err == nil && strings.HasPrefix(cwd, dir+"/") { // else it ended, or is not ours
			pids = append(pids, strings.Split(link, "/")[2])
		}
	}
	return pids
}

func phases(log *restore.DrillLog) []string {
	var names []string
	for _, p := range log.Phases {
		names = append(names, p.Name)
	}
	return names
}

func TestARehearsalRestoresUnsealsAndLooks(t *testing.T) {
	t.Parallel()
	from := source(t)
	path, field, value := from.sample.Canary()
	dir := t.TempDir()
	r := &Rehearsal{Program: program(t), Dir: dir, Shares: sharesOf(from.VaultServer, 0, 2, 3),
		Canaries: []Canary{{path, field, HashCanary(value)}}}
	var log restore.DrillLog
	loaded, err := r.Rehearse(t.Context(), from.dump, &log)
	must(t, err)
	nothingLeft(t, dir)
	if !log.Good() {
		t.Errorf("not good: %+v", log.Checks)
	}
	want := []string{"read", "start", "init", "load", "unseal", "verify", "look", "destroy"}
	if diff := cmp.Diff(want, phases(&log)); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, c := range log.Checks {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"entries", "mounts", "auth methods", "policies", "canary " + path + " " + field}, names); diff != "" {
		t.Error(diff)
	}
	for i, s := range from.dump.Streams() {
		if got := loaded.Streams[i]; got.Name != s.Name || got.Rows != s.Rows || got.Bytes != s.Bytes {
			t.Errorf("loaded %+v of %+v", got, s)
		}
	}
	var total float64
	for _, p := range log.Phases {
		t.Logf("%-8s %6.2f s  %s", p.Name, p.Seconds, p.Detail)
		total += p.Seconds
	}
	t.Logf("%-8s %6.2f s", "all", total)
	for _, c := range log.Checks {
		t.Logf("%s: %s", c.Name, c.Detail)
	}
	for _, l := range log.Limits {
		t.Logf("limit: %s", l)
	}
}

func TestCanariesThatAreNotAsTheyWereAreBadChecks(t *testing.T) {
	t.Parallel()
	from := source(t)
	path, field, value := from.sample.Canary()
	hash := HashCanary(value)
	r := &Rehearsal{Program: program(t), Dir: t.TempDir(), Shares: sharesOf(from.VaultServer, 0, 1, 2), Canaries: []Canary{
		{path, field, HashCanary(value + "x")}, {path + "x", field, hash}, {path, field + "x", hash}, {"no/such/mount", field, hash}, {path, field, value},
	}}
	var log restore.DrillLog
	_, err := r.Rehearse(t.Context(), from.dump, &log)
	must(t, err)
	nothingLeft(t, r.Dir)
	var got []string
	for _, c := range log.Checks {
		if strings.HasPrefix(c.Name, "canary ") && !c.Good {
			got = append(got, c.Detail)
		}
		if strings.Contains(c.Detail, value) {
			t.Errorf("a check tells the value of a secret: %+v", c)
		}
	}
	want := []string{"its value is not the one that was hashed", "there is no such secret", "the secret has no such field",
		"no KV mount has this path", "it is not a canary's hash, which has the form salt:hash"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A rehearsal neither revokes leases nor writes audit logs, whatever the snapshot says.
func TestARehearsalTouchesNothingOutside(t *testing.T) {
	t.Parallel()
	v := fixtures.VaultWith(t, five)
	log := filepath.Join(t.TempDir(), "audit", "vault.log")
	v.OK(t, http.MethodPut, "sys/audit/file", map[string]any{"type": "file", "options": map[string]any{"file_path": log}})
	const ttl = 5 * time.Second // long enough to be in the snapshot, whatever else the machine does
	v.OK(t, http.MethodPost, "auth/token/create", map[string]any{"ttl": ttl.String()})
	over := time.Now().Add(ttl)
	d := take(t, v)
	must(t, v.Stop())
	must(t, os.RemoveAll(filepath.Dir(log)))
	time.Sleep(time.Until(over))
	r := &Rehearsal{Program: program(t), Dir: t.TempDir(), Shares: sharesOf(v, 0, 1, 2)}
	var drill restore.DrillLog
	_, err := r.Rehearse(t.Context(), d, &drill)
	must(t, err)
	if _, err := os.Stat(log); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the scratch server wrote into the audit log of production: %v", err)
	}
	text := strings.Join(drill.Limits, "\n")
	if !drill.Good() || !strings.Contains(text, "1 leases were not loaded") || !strings.Contains(text, "1 audit devices were not loaded") {
		t.Errorf("checks %+v, limits:\n%s", drill.Checks, text)
	}
	if os.Geteuid() == 0 && strings.Contains(text, "shares this machine's network") {
		t.Error("the scratch server had no network of its own")
	}
}

func TestARehearsalWithoutSharesSaysWhereItStops(t *testing.T) {
	t.Parallel()
	from := source(t)
	sealed := fixtures.VaultTransit(t)
	sealed.MountKV(t, 2)
	for _, c := range []struct {
		r    Rehearsal
		d    restore.Dump
		want string
	}{
		{Rehearsal{}, from.dump, "without unseal shares"},
		{Rehearsal{Shares: sharesOf(from.VaultServer, 0, 1, 2)}, take(t, sealed), `the seal of the snapshot is "transit"`},
	} {
		c.r.Program, c.r.Dir = program(t), t.TempDir()
		var log restore.DrillLog
		_, err := c.r.Rehearse(t.Context(), c.d, &log)
		must(t, err)
		nothingLeft(t, c.r.Dir)
		if diff := cmp.Diff([]string{"read", "start", "init", "load", "destroy"}, phases(&log)); diff != "" {
			t.Error(diff)
		}
		if !slices.ContainsFunc(log.Limits, func(l string) bool { return strings.Contains(l, c.want) }) {
			t.Errorf("limits %q", log.Limits)
		}
	}
}

func TestRehearsalsThatFailLeaveNothing(t *testing.T) {
	t.Parallel()
	from := source(t)
	good := Rehearsal{Program: program(t), Shares: sharesOf(from.VaultServer, 0, 1, 2)}
	few, wrong, missing, broken := good, good, good, good
	few.Shares = sharesOf(from.VaultServer, 0, 1)
	wrong.Shares = func() (barrier.Shares, error) {
		list, err := sharesOf(from.VaultServer, 0, 1, 2)()
		list[2] = slices.Clone(list[2])
		list[2][0] ^= 1
		return list, err
	}
	missing.Program = "/nowhere/vault"
	broken.Program = "/bin/false"
	later := &altered{Dump: from.dump, wrap: func(stream string, n int, r io.Reader) io.Reader {
		if stream == raft.StateName && n == 5 { // after proving, reading the seal twice and decrypting
			return cut(r, 1000)
		}
		return r
	}}
	for name, c := range map[string]struct {
		r    Rehearsal
		d    restore.Dump
		want error
		text string
	}{
		"too few shares":      {few, from.dump, barrier.ErrTooFew, "phase read"},
		"wrong shares":        {wrong, from.dump, barrier.ErrWrongShares, "phase read"},
		"no program":          {missing, from.dump, os.ErrNotExist, "phase start"},
		"a program that ends": {broken, from.dump, nil, "the server ended: exit status 1"},
		"damage":              {good, &altered{Dump: from.dump, wrap: flip(raft.StateName, 4000)}, snapshot.ErrDamaged, "phase read"},
		"lost on the way":     {good, later, errLost, "phase load"},
	} {
		c.r.Dir = t.TempDir()
		var log restore.DrillLog
		_, err := c.r.Rehearse(t.Context(), c.d, &log)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if log.Good() {
			t.Errorf("%s: the log is good: %+v", name, log)
		}
		nothingLeft(t, c.r.Dir)
	}
}

func TestARehearsalThatIsCancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	from := source(t)
	for _, phase := range []string{"read", "init", "load", "unseal", "look"} {
		ctx, cancel := context.WithCancel(t.Context())
		r := &Rehearsal{Program: program(t), Dir: t.TempDir(), Shares: sharesOf(from.VaultServer, 0, 1, 2)}
		log := restore.DrillLog{Began: func(name string) {
			if name == phase {
				cancel()
			}
		}}
		if _, err := r.Rehearse(ctx, from.dump, &log); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled in phase %s: %v", phase, err)
		}
		cancel()
		nothingLeft(t, r.Dir)
	}
}

// helperDir has this program start a scratch server there and wait to be killed.
const helperDir = "HOLDFAST_TEST_SCRATCH_DIR"

func startAndWait(dir string) { // ends by a signal alone
	path, err := tools.Find("vault")
	if os.Getenv(helperActs) != "" {
		os.Exit(startActing(path, dir))
	}
	if err == nil {
		_, err = startScratch(context.Background(), path, dir)
	}
	fmt.Println("started", err)
	select {}
}

func TestTheScratchServerDiesWithItsParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), helperDir+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "started <nil>\n" || len(working(t, dir)) != 1 {
		t.Errorf("%q, %v, processes %v", line, err, working(t, dir))
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	for deadline := time.Now().Add(5 * time.Second); len(working(t, dir)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("processes %v live on", working(t, dir))
		}
	}
}
