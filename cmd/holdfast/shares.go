package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
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
func (s *session) sharesFrom(flags []string, configured config.Secret) func() (barrier.Shares, error) {
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
			shares, err = barrier.ParseShares(strings.NewReader(text))
			return shares, err
		}
		var all barrier.Shares
		for _, name := range flags {
			more, err := s.readShares(name)
			if err != nil {
				return nil, fmt.Errorf("reading unseal shares: %w", err)
			}
			all = append(all, more...)
		}
		shares = all
		return shares, nil
	}
}

func (s *session) readShares(name string) (barrier.Shares, error) {
	if variable, ok := strings.CutPrefix(name, "env:"); ok {
		text := os.Getenv(variable)
		if text == "" {
			return nil, fmt.Errorf("%s: %w", name, config.ErrSecretMissing)
		}
		return barrier.ParseShares(strings.NewReader(strings.ReplaceAll(text, ",", "\n")))
	}
	if name == "-" {
		if tty, ok := s.stdin.(*os.File); ok && term.IsTerminal(int(tty.Fd())) {
			return askShares(tty, os.Stderr)
		}
		return boundedShares(s.stdin)
	}
	f, err := openSecretFile(strings.TrimPrefix(name, "file:"))
	if err != nil {
		// What is no file may be a share that was typed: it is not repeated.
		if len(name) > 40 && !strings.ContainsAny(name, "/.") {
			return nil, &usage{message: "--unseal takes a file, and was given something else", hint: "write the shares to a file that only you can read, one a line; the shell's history may have one now"}
		}
		return nil, err
	}
	defer f.Close()
	shares, err := boundedShares(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return shares, nil
}

func boundedShares(r io.Reader) (barrier.Shares, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxShares+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxShares:
		return nil, errors.New("too large to be unseal shares")
	}
	return barrier.ParseShares(bytes.NewReader(b))
}

// askShares asks for one share after the other, unseen, until an empty line.
func askShares(tty *os.File, prompt io.Writer) (barrier.Shares, error) {
	var all barrier.Shares
	for {
		fmt.Fprintf(prompt, "Unseal share %d (empty to end): ", len(all)+1)
		line, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(prompt)
		if err != nil {
			return nil, err
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
