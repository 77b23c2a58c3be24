package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"
)

// errNeedIdentity means that a command that decrypts was given no identity.
var errNeedIdentity = errors.New("an identity is needed")

const maxIdentityFile = 64 << 10

// identities reads the identity files of -i: age identities, plugin identities, an SSH private
// key, or any of these encrypted with a passphrase, which is asked for on the terminal. A file
// called - is standard input.
func (s *session) identities(ctx context.Context, paths []string) ([]age.Identity, error) {
	if len(paths) == 0 {
		return nil, errNeedIdentity
	}
	var list []age.Identity
	for _, path := range paths {
		if isIdentity(path) {
			return nil, &usage{message: "-i takes the file of an identity, and was given an identity itself",
				hint: "write it to a file that only you can read; the shell's history has it now"}
		}
		ids, err := s.identityFile(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("reading identity file %s: %w", path, err)
		}
		list = append(list, ids...)
	}
	return list, nil
}

// isIdentity tells a secret that stands where a file's name should: no error may repeat it.
// Identities are in capitals; age-plugin-x.txt is a fine name for a file.
func isIdentity(text string) bool {
	return strings.HasPrefix(text, "AGE-SECRET-KEY-") || strings.HasPrefix(text, "AGE-PLUGIN-")
}

func (s *session) identityFile(ctx context.Context, path string) ([]age.Identity, error) {
	in := s.stdin
	if path != "-" {
		f, err := openSecretFile(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxIdentityFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxIdentityFile {
		return nil, errors.New("too large to be one")
	}
	if isEncrypted(b) {
		if b, err = decryptIdentities(ctx, path, b); err != nil {
			return nil, err
		}
	}
	if bytes.Contains(b, []byte("-----BEGIN")) {
		id, err := sshIdentity(ctx, path, b)
		if err != nil {
			return nil, err
		}
		return []age.Identity{id}, nil
	}
	return parseIdentities(string(b))
}

// sshIdentity reads an SSH private key. Its passphrase is asked for at once, so that a wrong one
// is told as such, and not as a snapshot that does not open.
func sshIdentity(ctx context.Context, path string, b []byte) (age.Identity, error) {
	id, err := agessh.ParseIdentity(b)
	if locked := (*ssh.PassphraseMissingError)(nil); !errors.As(err, &locked) {
		if err != nil {
			return nil, errors.New("the SSH key is damaged, or neither ed25519 nor RSA")
		}
		return id, nil
	}
	pass, err := askPassphrase(ctx, path)
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParseRawPrivateKeyWithPassphrase(b, pass)
	if err != nil {
		return nil, errors.New("the passphrase is wrong, or the file is damaged")
	}
	switch key := key.(type) {
	case *ed25519.PrivateKey:
		return agessh.NewEd25519Identity(*key)
	case *rsa.PrivateKey:
		return agessh.NewRSAIdentity(key)
	}
	return nil, errors.New("the SSH key is neither ed25519 nor RSA")
}

// parseIdentities reads a line each. Errors quote no line, since it may be a secret.
func parseIdentities(text string) ([]age.Identity, error) {
	var list []age.Identity
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		id, err := parseIdentity(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is no identity", n+1)
		}
		list = append(list, id)
	}
	if len(list) == 0 {
		return nil, errors.New("it holds no identity")
	}
	return list, nil
}

func parseIdentity(line string) (age.Identity, error) {
	if strings.HasPrefix(line, "AGE-PLUGIN-") {
		return plugin.NewIdentity(line, pluginUI)
	}
	ids, err := age.ParseIdentities(strings.NewReader(line))
	if err != nil {
		return nil, err
	}
	return ids[0], nil
}

// pluginUI answers no questions: a plugin that must ask has its own window or hardware.
var pluginUI = &plugin.ClientUI{
	DisplayMessage: func(string, string) error { return nil },
	RequestValue: func(name, _ string, _ bool) (string, error) {
		return "", fmt.Errorf("plugin %s asks for input, which holdfast cannot pass on", name)
	},
	Confirm: func(name, _, _, _ string) (bool, error) {
		return false, fmt.Errorf("plugin %s asks for confirmation, which holdfast cannot pass on", name)
	},
	WaitTimer: func(string) {},
}

func isEncrypted(b []byte) bool {
	return bytes.HasPrefix(b, []byte("age-encryption.org/")) || bytes.HasPrefix(b, []byte(armor.Header))
}

// maxWork bounds scrypt on a file that may be hostile: 2^18 takes about a second.
const maxWork = 20

func decryptIdentities(ctx context.Context, path string, b []byte) ([]byte, error) {
	pass, err := askPassphrase(ctx, path)
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(string(pass))
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxWork)
	var src io.Reader = bytes.NewReader(b)
	if bytes.HasPrefix(b, []byte(armor.Header)) {
		src = armor.NewReader(src)
	}
	r, err := age.Decrypt(src, id)
	if err != nil {
		return nil, errors.New("the passphrase is wrong, or the file is damaged")
	}
	return io.ReadAll(io.LimitReader(r, maxIdentityFile))
}

// askPassphrase asks on the terminal, even where standard input is something else.
func askPassphrase(ctx context.Context, path string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("it is encrypted with a passphrase, and there is no terminal to ask for it")
	}
	defer tty.Close()
	fmt.Fprintf(tty, "Passphrase of %s: ", path)
	pass, err := readUnseen(ctx, tty)
	fmt.Fprintln(tty)
	if err != nil {
		return nil, fmt.Errorf("asking for its passphrase: %w", err)
	}
	return pass, nil
}
