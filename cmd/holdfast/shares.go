package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/term"

	"holdfast/cmd/holdfast/config"
	"holdfast/restore/target/raft/barrier"
)

// maxShares bounds what is read as a file of unseal shares.
const maxShares = 64 << 10

// unsealFlag is what every command says of --unseal.
const unsealFlag = "unseal shares of the snapshot's cluster: a `FILE` with one a line, env:NAME, or - to be asked for them"

// sharesFrom returns what reads the unseal shares that --unseal names, or that the configuration
// does where the flag is not given; nil if neither does. They are read when they are needed,
// and only once, since a person or a pipe gives them once.
func (s *session) sharesFrom(ctx context.Context, flags []string, configured config.Secret) func() (barrier.Shares, error) {
	if len(flags) == 0 && !configured.IsSet() {
		return nil
	}
	var shares barrier.Shares
	return func() (barrier.Shares, error) {
		if shares != nil {
			return shares, nil
		}
		if len(flags) == 0 {
			text, err := configured.Resolve()
			if err != nil {
				return nil, err
			}
			shares, err = parseShares(configured.Reference(), text)
			return shares, err
		}
		var all barrier.Shares
		for _, name := range flags {
			more, err := s.readShares(ctx, name)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
		shares = all
		return shares, nil
	}
}

func (s *session) readShares(ctx context.Context, name string) (barrier.Shares, error) {
	if variable, ok := strings.CutPrefix(name, "env:"); ok {
		text := os.Getenv(variable)
		if text == "" {
			return nil, fmt.Errorf("reading unseal shares: %s: %w", name, config.ErrSecretMissing)
		}
		return parseShares(name, strings.NewReplacer(",", "\n", " ", "\n").Replace(text))
	}
	if name == "-" {
		if tty, ok := s.stdin.(*os.File); ok && term.IsTerminal(int(tty.Fd())) {
			return askShares(ctx, tty, os.Stderr)
		}
		return boundedShares("standard input", s.stdin)
	}
	path := strings.TrimPrefix(name, "file:")
	f, err := openSecretFile(path)
	switch {
	case err != nil && !errors.Is(err, errExposed) && mayHoldShare(path):
		return nil, &usage{message: "--unseal: there is no such file; what was given may be a share and is not repeated",
			hint: "write the shares to a file that only you can read, one a line; the shell's history may have them now"}
	case err != nil:
		return nil, fmt.Errorf("reading unseal shares: %w", err)
	}
	defer f.Close()
	return boundedShares(path, f)
}

// shareText is what a share looks like, whole or not, in hex or base64, which has slashes as a path does.
var shareText = regexp.MustCompile(`[A-Za-z0-9+/]{40}`)

// mayHoldShare tells whether what names no file may be shares. A folder that is there is no part of one.
func mayHoldShare(text string) bool {
	if dir := filepath.Dir(text); dir != "." && dir != "/" {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			text = filepath.Base(text)
		}
	}
	return shareText.MatchString(text)
}

func boundedShares(name string, r io.Reader) (barrier.Shares, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxShares+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading unseal shares: %w", err)
	case len(b) > maxShares:
		return nil, noShares(fmt.Sprintf("reading unseal shares: %s is too large to be some", name))
	}
	return parseShares(name, string(b))
}

// parseShares reads the shares in text, which came from what is called name.
func parseShares(name, text string) (barrier.Shares, error) {
	shares, err := barrier.ParseShares(strings.NewReader(text))
	if err != nil {
		return nil, noShares(fmt.Sprintf("%v (%s)", err, name))
	}
	return shares, nil
}

func noShares(message string) error {
	return &usage{message: message, hint: "give the shares alone, one a line, in hex or base64, as the server printed them when it was initialised"}
}

// askShares asks for one share after the other, unseen, until an empty line.
func askShares(ctx context.Context, tty *os.File, prompt io.Writer) (barrier.Shares, error) {
	var all barrier.Shares
	for {
		fmt.Fprintf(prompt, "Unseal share %d (empty to end): ", len(all)+1)
		line, err := readUnseen(ctx, tty)
		fmt.Fprintln(prompt)
		if err != nil {
			return nil, fmt.Errorf("asking for unseal shares: %w", err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			return all, nil
		}
		one, err := barrier.ParseShares(bytes.NewReader(line))
		if err != nil {
			fmt.Fprintln(prompt, "This is no unseal share; once more.")
			continue
		}
		all = append(all, one...)
	}
}
