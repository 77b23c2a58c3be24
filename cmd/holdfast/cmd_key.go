package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"holdfast/snapshot"
)

func (a *app) cmdKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, show and check keys",
		Long: `A key has two sides. The recipient is public: snapshots are encrypted to it, and it
stands in the configuration. The identity is secret: it opens snapshots, and it
belongs on another host than the one that takes them, with a copy in escrow.`,
		Example: "  holdfast key generate -o identity.txt\n  holdfast key show identity.txt\n  holdfast key check latest --vault core --unseal shares.txt -i identity.txt",
		Args:    noSuchCommand,
		RunE:    needsSubcommand,
	}
	cmd.AddCommand(a.cmdKeyGenerate(), a.cmdKeyShow(), a.cmdKeyCheck())
	return cmd
}

func (a *app) cmdKeyGenerate() *cobra.Command {
	var classic bool
	var output string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Make a new key",
		Long: `Makes a key that withstands quantum computers (ML-KEM-768 with X25519), or with
--classic one that also works with age before 1.3 and beside ssh recipients.

With -o the identity goes into a new file that only you can read, and the recipient
is printed. Without -o the identity itself is printed: send it somewhere safe.`,
		Example: `  holdfast key generate -o identity.txt > recipients.txt
  holdfast key generate | age -p > identity.txt.age`,
		Args: wants(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.generateKey(classic, output) },
	}
	cmd.Flags().BoolVar(&classic, "classic", false, "make an X25519 key instead of a post-quantum one")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write the identity to this new `FILE`")
	return cmd
}

// keyResult is what `key generate` prints with --json.
type keyResult struct {
	Recipient string `json:"recipient"`
	File      string `json:"file,omitempty"`     // where the identity is
	Identity  string `json:"identity,omitempty"` // if there is no file
}

func (a *app) generateKey(classic bool, output string) error {
	identity, recipient, err := newIdentity(classic)
	if err != nil {
		return err
	}
	// The form that age-keygen writes, so that age reads it too.
	text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", time.Now().UTC().Format(time.RFC3339), recipient, identity)
	result := keyResult{Recipient: recipient, File: output}
	if output == "" {
		result.Identity = identity
		a.note("Public key: %s", recipient)
		return a.print(result, func() { a.printf("%s", text) })
	}
	if err := writeNew(output, []byte(text)); err != nil {
		return fmt.Errorf("writing identity: %w", err)
	}
	a.note("The identity is in %s. Move it to another host, and a copy into escrow.", output)
	return a.print(result, func() { a.printf("%s\n", recipient) })
}

func newIdentity(classic bool) (identity, recipient string, err error) {
	if classic {
		k, err := age.GenerateX25519Identity()
		if err != nil {
			return "", "", fmt.Errorf("making key: %w", err)
		}
		return k.String(), k.Recipient().String(), nil
	}
	k, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", "", fmt.Errorf("making key: %w", err)
	}
	return k.String(), k.Recipient().String(), nil
}

// writeNew writes a file that does not exist yet, for its owner alone. On error it does not
// exist afterwards.
func writeNew(name string, b []byte) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return advise(fmt.Errorf("%w to overwrite %s", errRefused, name), "name another file, or move that one away: what a lost key opened stays closed")
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(name))
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir makes a new name in dir survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

func (a *app) cmdKeyShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "Print the public side of an identity file or a host key",
		Long: `Prints the public side of each identity in FILE (- is standard input), one a line: the recipients.
Of a host key it prints the verifier, for keys.trust of other hosts. Nothing secret is ever printed.`,
		Example: "  holdfast key show identity.txt\n  holdfast key show host.key\n  age -d identity.txt.age | holdfast key show -",
		Args:    wants(cobra.ExactArgs(1)),
		RunE:    func(_ *cobra.Command, args []string) error { return a.showKey(args[0]) },
	}
}

func (a *app) showKey(name string) error {
	b, err := a.readKeyFile(name)
	if err != nil {
		return fmt.Errorf("reading identities of %s: %w", name, err)
	}
	if hostKeyLine.Match(b) {
		host, err := snapshot.ParseHostKey(bytes.NewReader(b))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return a.print(map[string]string{"verifier": host.Signer.Verifier}, func() { a.printf("%s\n", host.Signer.Verifier) })
	}
	recipients, err := recipientsOf(name, b)
	if err != nil {
		return fmt.Errorf("reading identities of %s: %w", name, err)
	}
	return a.print(map[string][]string{"recipients": recipients}, func() {
		for _, r := range recipients {
			a.printf("%s\n", r)
		}
	})
}

// hostKeyLine is what only a host key has.
var hostKeyLine = regexp.MustCompile(`(?m)^(sign|index|chunks) `)

// maxKeyFile bounds what is read as an identity file.
const maxKeyFile = 1 << 20

func (a *app) readKeyFile(name string) ([]byte, error) {
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxKeyFile+1))
	if err == nil && len(b) > maxKeyFile {
		err = errors.New("larger than 1 MiB")
	}
	return b, err
}

func recipientsOf(name string, b []byte) ([]string, error) {
	if bytes.HasPrefix(b, []byte("age-encryption.org/")) || bytes.HasPrefix(b, []byte("-----BEGIN AGE ENCRYPTED")) {
		return nil, &usage{message: "the file is encrypted", hint: "age -d " + name + " | holdfast key show -"}
	}
	identities, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil {
		// The cause is left out: what it quotes may be a piece of a key.
		return nil, &usage{message: "there is something in it that is not an age identity", hint: "a line each, beginning with AGE-SECRET-KEY-"}
	}
	var out []string
	for _, id := range identities {
		switch id := id.(type) {
		case *age.X25519Identity:
			out = append(out, id.Recipient().String())
		case *age.HybridIdentity:
			out = append(out, id.Recipient().String())
		default:
			return nil, fmt.Errorf("the recipient of a %T is not known", id)
		}
	}
	return out, nil
}
