package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/cmd/holdfast/config"
)

// sampleShare is a share whose base64 has a slash in it, as half of all shares do.
var sampleShare = []byte(strings.Repeat("\xff", 32) + "\x07")

// What people type in place of a file is not told back: not to the terminal, not to a log.
func TestSharesThatWereTypedAreNotRepeated(t *testing.T) {
	t.Chdir(t.TempDir())
	share := base64.StdEncoding.EncodeToString(sampleShare)
	if !strings.Contains(share, "/") {
		t.Fatal("the sample has no slash")
	}
	for _, typed := range []string{share, strings.TrimRight(share, "="), hex.EncodeToString(sampleShare), share + "," + share, share + " " + share, "file:" + share,
		share + "\n" + share, share[:43]} {
		s := &session{}
		_, err := s.sharesFrom(t.Context(), []string{typed}, config.Secret{})()
		if err == nil || strings.Contains(err.Error(), typed[5:25]) {
			t.Errorf("%q: %v", typed, err)
		}
		if code, hint := judge(err); code != exitUsage || !strings.Contains(hint, "history") {
			t.Errorf("%q: exit code %d, hint %q", typed, code, hint)
		}
	}
}

func TestFilesWithoutSharesAreUsage(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "init.json": "{\n  \"unseal_keys_b64\": []\n}\n", "long": strings.Repeat("x", maxShares+1)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := &session{stdin: strings.NewReader(text)}
		for _, flag := range []string{path, "-"} {
			_, err := s.sharesFrom(t.Context(), []string{flag}, config.Secret{})()
			if code, hint := judge(err); code != exitUsage || hint == "" || strings.Count(err.Error(), "reading unseal shares") != 1 {
				t.Errorf("%s of %s: exit code %d, hint %q: %v", flag, name, code, hint, err)
			}
		}
	}
	s := &session{}
	if _, err := s.sharesFrom(t.Context(), []string{filepath.Join(dir, "gone.txt")}, config.Secret{})(); err == nil || !strings.Contains(err.Error(), "gone.txt") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// The variable is filled from files and by hand, with whatever separates shares there.
func TestSharesOfTheEnvironment(t *testing.T) {
	share := base64.StdEncoding.EncodeToString(sampleShare)
	for _, between := range []string{",", "\n", " ", ", "} {
		t.Setenv("UNSEAL_SHARES", share+between+share)
		s := &session{}
		if got, err := s.sharesFrom(t.Context(), []string{"env:UNSEAL_SHARES"}, config.Secret{})(); err != nil || len(got) != 2 {
			t.Errorf("between them %q: %d shares, %v", between, len(got), err)
		}
	}
}

// Somebody who is asked for a share and presses Ctrl-C gets the shell back at once, and it shows what they type.
func TestInterruptedQuestionLeavesTheTerminalAsItWas(t *testing.T) {
	tty, keys := bareTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := readUnseen(ctx, tty)
		done <- err
	}()
	for deadline := time.Now().Add(10 * time.Second); echoes(t, tty); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody asked")
		}
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the question goes on")
	}
	if !echoes(t, tty) {
		t.Error("the terminal shows nothing any more")
	}
	if _, err := keys.WriteString("\n"); err != nil { // ends the read that goes on
		t.Fatal(err)
	}
}

// bareTerminal makes a terminal and what stands for its keyboard.
func bareTerminal(t *testing.T) (tty, keys *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return tty, keys // tty is left to the process: a read of it may still be going on
}

func echoes(t *testing.T, tty *os.File) bool {
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}
