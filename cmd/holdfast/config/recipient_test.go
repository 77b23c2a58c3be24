package config

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"github.com/google/go-cmp/cmp"
)

func TestRecipientsOfEveryKindAreRead(t *testing.T) {
	ssh := sshKey(t)
	yubikey := plugin.EncodeRecipient("yubikey", []byte("0123456789"))
	for in, want := range map[string]string{
		classicKey: classicKey, hybridKey: hybridKey, ssh + " ops@example": ssh, yubikey: yubikey,
	} {
		r, err := ParseRecipient(in)
		if err != nil {
			t.Errorf("%.30s: %v", in, err)
			continue
		}
		if r.String() != want {
			t.Errorf("%.30s reads back as %.30s", in, r)
		}
		if r.PostQuantum() != strings.HasPrefix(in, "age1pq1") {
			t.Errorf("%.30s: post-quantum %v", in, r.PostQuantum())
		}
	}
}

func TestWhatIsNoRecipientIsNotRepeated(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{id.String(), strings.ToLower(id.String()), "age1" + canary, "ssh-ed25519 " + canary, "age1pq1" + canary, "age1x1" + canary, canary} {
		_, err := ParseRecipient(in)
		if err == nil || strings.Contains(err.Error(), canary) || strings.Contains(strings.ToUpper(err.Error()), "SECRET-KEY-1") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestRecipientFilesAreReadBesideTheConfiguration(t *testing.T) {
	c := loadWith(t, `keys: {recipients: [file:r.txt, `+classicKey+`], escrow: [`+classicKey2+`]}`, map[string]string{
		"r.txt": "# ops\n\n  " + classicKey + "  \r\n" + sshKeyFixed + " somebody\n",
	})
	got, err := c.Recipients()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{classicKey, sshKeyFixed}, texts(got)); diff != "" {
		t.Errorf("recipients (-want +got):\n%s", diff)
	}
	escrow, err := c.Escrow()
	if err != nil || !cmp.Equal(texts(escrow), []string{classicKey2}) {
		t.Errorf("escrow %v, %v", texts(escrow), err)
	}
	// What is returned encrypts.
	var out bytes.Buffer
	if _, err := age.Encrypt(&out, got[0], got[1], escrow[0]); err != nil {
		t.Errorf("encrypting to them: %v", err)
	}
}

func TestMixedRecipientsInFilesAreRefused(t *testing.T) {
	c := loadWith(t, `keys: {recipients: [file:r.txt], escrow: [file:e.txt]}`, map[string]string{"r.txt": hybridKey, "e.txt": classicKey})
	if _, err := c.Recipients(); !errors.Is(err, ErrMixedRecipients) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Escrow(); !errors.Is(err, ErrMixedRecipients) {
		t.Errorf("got %v", err)
	}
}

func TestBadRecipientFilesAreRefused(t *testing.T) {
	for content, want := range map[string]string{
		"":                                "no recipients in this file",
		"# none\n":                        "no recipients in this file",
		classicKey + "\n" + canary + "\n": "r.txt:2: this is not a recipient",
		strings.Repeat("x", 20_000):       "token too long",
	} {
		c := loadWith(t, `keys: {recipients: [file:r.txt]}`, map[string]string{"r.txt": content})
		if _, err := c.Recipients(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%.20q: %v", content, err)
		}
	}
	c := loadWith(t, `keys: {recipients: [file:r.txt]}`, nil)
	if _, err := c.Recipients(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

// loadWith loads a configuration with the given keys section from a folder with files.
func loadWith(t *testing.T, keys string, files map[string]string) *Config {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		write(name, text)
	}
	write("holdfast.yaml", "repository: {url: \"s3://b\"}\n"+keys+"\nvaults: {a: {kind: files, path: x}}\n")
	c, err := Load(filepath.Join(dir, "holdfast.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func texts(rs []Recipient) []string {
	var out []string
	for _, r := range rs {
		out = append(out, r.String())
	}
	return out
}

const sshKeyFixed = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN"

func sshKey(t *testing.T) string {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var wire []byte
	for _, part := range [][]byte{[]byte("ssh-ed25519"), pub} {
		wire = binary.BigEndian.AppendUint32(wire, uint32(len(part)))
		wire = append(wire, part...)
	}
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(wire)
}
