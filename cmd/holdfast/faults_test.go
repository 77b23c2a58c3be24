//go:build !race

// The tests in this file run the program as processes of their own, under load and with
// faults. What races inside of it is for the packages' own tests to find, with -race.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultc"
	"holdfast/fixtures/vaultd"
)

// TestKilledAtAnyMoment kills the program at random moments of a snapshot. Nothing broken is ever
// listed, and the next run gets the lease at once and succeeds.
func TestKilledAtAnyMoment(t *testing.T) {
	for name, url := range map[string]func(*testing.T) (string, []string){"file": folder, "s3": bucket} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			where, env := url(t)
			killed(t, newLab(t, where, 3000, env...), fixtures.Rounds(t, 25))
		})
	}
}

func folder(*testing.T) (string, []string) { return "", nil }

func bucket(t *testing.T) (string, []string) {
	s := fixtures.S3(t)
	return s.URL("lab"), s.Env()
}

func killed(t *testing.T, l *lab, rounds int) {
	whole := duration(func() { l.must("snapshot", "app") })
	kills, committed, round := 0, 1, 0
	for ; kills < rounds; round++ {
		if round > 20*rounds {
			t.Fatalf("only %d of %d runs were hit", kills, round)
		}
		if err := vaultc.Mutate(t.Context(), l.vault.Database, 0.02); err != nil {
			t.Fatal(err)
		}
		cmd := l.command("snapshot", "app", "--quiet")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// A run in the second of the last one first waits for the next: it lasts for what is left of the second.
		time.Sleep(time.Duration(rand.Int64N(int64(max(whole, time.Second)))))
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			committed++ // it was done before the signal came
		} else {
			kills++
		}
		// A kill after the manifest was put leaves a whole snapshot that nobody reported.
		if n := len(l.listed()); n < committed || n > committed+1 {
			t.Fatalf("round %d: %d snapshots are listed after %d commits", round, n, committed)
		} else {
			committed = n
		}
		// How long a run takes is asked each time: a busy moment must not send all later signals too late.
		whole = duration(func() { l.must("snapshot", "app", "--quiet") })
		committed++
	}
	t.Logf("%d of %d runs were hit", kills, round)
	l.must("verify", "--all", "--level", "content", "-i", l.identity(), "--quiet")
}

func duration(work func()) time.Duration {
	began := time.Now()
	work()
	return time.Since(began)
}

// TestKilledRunsPacksAreReused kills a first snapshot late, again and again, and expects the run
// that is let through to store less than the vault.
func TestKilledRunsPacksAreReused(t *testing.T) {
	l := newLab(t, "", 1000)
	folder := filepath.Join(l.dir, "big")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 160<<20)
	rng := rand.NewChaCha8([32]byte{1})
	if _, err := rng.Read(big); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "data"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	replaceInFile(t, l.config, "vaults:\n", "vaults:\n  big: {kind: files, path: "+folder+"}\n")
	cmd := l.command("snapshot", "big", "--quiet")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	indexes := filepath.Join(l.dir, "repository", "vaults", "big", "indexes")
	waitFor(t, func() bool { e, err := os.ReadDir(indexes); return err == nil && len(e) > 0 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the run was over before it could be killed: this machine needs more data")
	}
	var doc struct {
		Snapshots []struct {
			Snapshot struct {
				Totals struct {
					PlainBytes int64 `json:"plain_bytes"`
					NewBytes   int64 `json:"new_bytes"`
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(l.must("snapshot", "big", "--json")), &doc); err != nil {
		t.Fatal(err)
	}
	if s := doc.Snapshots[0].Snapshot.Totals; s.NewBytes > s.PlainBytes*9/10 {
		t.Errorf("%d of %d bytes were stored again", s.NewBytes, s.PlainBytes)
	}
}

// TestFiftyProcessesRaceForOneVault starts 50 processes at once, on a real S3 server. Each either
// stores its snapshot or says that another run has the lease; none is lost.
func TestFiftyProcessesRaceForOneVault(t *testing.T) {
	url, env := bucket(t)
	l := newLab(t, url, 200, env...)
	var won, turned int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			out, err := l.command("snapshot", "app", "--quiet").CombinedOutput()
			mu.Lock()
			defer mu.Unlock()
			var exit *exec.ExitError
			switch {
			case err == nil:
				won++
			case errors.As(err, &exit) && exit.ExitCode() == exitLeased:
				turned++
			default:
				t.Errorf("a racer ended with %v: %s", err, out)
			}
		})
	}
	wg.Wait()
	t.Logf("%d stored, %d were turned away", won, turned)
	if n := len(l.listed()); n != won || won == 0 {
		t.Errorf("%d snapshots are listed, %d were stored", n, won)
	}
	l.must("verify", "--all", "--level", "content", "-i", l.identity(), "--quiet")
}

// TestWaitingRunsTakeTurns lets ten processes wait for each other: all of them succeed.
func TestWaitingRunsTakeTurns(t *testing.T) {
	l := newLab(t, "", 200)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if out, err := l.command("snapshot", "app", "--quiet", "--wait", "10m").CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	if n := len(l.listed()); n != 10 {
		t.Errorf("%d of 10 snapshots are listed", n)
	}
}

// TestNoPlaintextTouchesTheDisk runs the whole way in, verification and a rehearsal with a probe in
// every secret, and watches each file that any of it creates.
func TestNoPlaintextTouchesTheDisk(t *testing.T) {
	l := newLab(t, "", 300)
	store := filepath.Join(l.dir, "store-d")
	if err := vaultd.Generate(store, vaultd.Options{Secrets: 50, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	const probe = "plaintext-probe-7b1f"
	if err := os.WriteFile(filepath.Join(store, "notes"), []byte(strings.Repeat(probe+"\n", 20000)), 0o600); err != nil {
		t.Fatal(err)
	}
	replaceInFile(t, l.config, "vaults:\n", "vaults:\n  local: {kind: files, path: "+store+"}\n")
	temp := filepath.Join(l.dir, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	l.env = append(l.env, "TMPDIR="+temp)
	ctx, stop := context.WithCancel(t.Context())
	var found []string
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			found = append(found, holding(l.dir, probe, store)...)
		}
	})
	l.must("snapshot", "local", "app", "--quiet")
	l.must("verify", "--all", "--level", "content", "-i", l.identity(), "--quiet")
	l.must("restore", "latest", "--vault", "local", "--dry-run", "-i", l.identity(), "--quiet")
	stop()
	wg.Wait()
	found = append(found, holding(l.dir, probe, store)...)
	if len(found) > 0 {
		t.Errorf("plaintext in %s", found[0])
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

// holding lists the files below dir that hold text, except those below the vault itself.
func holding(dir, text, except string) []string {
	var list []string
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error { // files come and go
		if err != nil || path == except {
			if e != nil && e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), text) {
			list = append(list, path)
		}
		return nil
	})
	return list
}

// TestALiveVaultIsOneInstant snapshots a vault of 100,000 secrets while an application writes 500
// transactions a second to two tables that must agree, into a real S3 server, and restores it.
func TestALiveVaultIsOneInstant(t *testing.T) {
	url, env := bucket(t)
	l := newLab(t, url, 100_000, env...)
	w, err := vaultc.StartWriter(l.vault.Database, 500)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	during := duration(func() { l.must("snapshot", "app", "--quiet") })
	committed, err := w.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if pace := float64(committed) / (during + time.Second).Seconds(); pace < 400 {
		t.Errorf("the writer made only %.0f transactions a second", pace)
	}
	l.must("verify", "--all", "--level", "content", "-i", l.identity(), "--quiet")
	l.must("restore", "latest", "--vault", "app", "--dry-run", "-i", l.identity(), "--quiet")
	restored := filepath.Join(l.dir, "restored.db")
	l.must("restore", "latest", "--vault", "app", "--to", "sqlite://"+restored, "-i", l.identity(), "--quiet")
	events, err := vaultc.CheckInvariant(restored)
	if err != nil {
		t.Error(err)
	}
	if events == 0 || events >= committed {
		t.Errorf("the restored vault has %d of %d events: it is not of the middle of the run", events, committed)
	}
	out, err := exec.Command("sqlite3", restored, "PRAGMA integrity_check; SELECT count(*) FROM secrets").CombinedOutput()
	if want := "ok\n100000\n"; err != nil || string(out) != want {
		t.Errorf("sqlite3 says %q, %v", out, err)
	}
	t.Logf("snapshot of %d secrets took %s, %d transactions went on", 100_000, during.Round(time.Millisecond), committed)
}
