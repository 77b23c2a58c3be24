package pack

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// Nothing of ours is needed to read a pack: age opens it, zstd reads it.
func TestAgeAndZstdCommandsReadPacks(t *testing.T) {
	dir := t.TempDir()
	tool := filepath.Join(dir, "age")
	version := strings.TrimSpace(string(command(t, nil, "go", "list", "-m", "-f", "{{.Version}}", "filippo.io/age")))
	t.Setenv("GOBIN", dir)
	command(t, nil, "go", "install", "filippo.io/age/cmd/age@"+version)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]struct {
		recipient age.Recipient
		identity  string
	}{
		"X25519": {testIdentity().Recipient(), testIdentity().String()},
		"hybrid": {hybrid.Recipient(), hybrid.String()},
	} {
		keys := filepath.Join(dir, name)
		if err := os.WriteFile(keys, []byte(id.identity+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		open := func(stored []byte) []byte { return command(t, stored, tool, "--decrypt", "-i", keys) }
		data := rows(1, 3<<20)

		shelf := newShelf()
		o := shelf.small()
		o.Recipient = id.recipient
		sealed, packs, _ := write(t, o, data)
		plain := make([][]byte, len(packs))
		total := 0
		for i, p := range packs {
			plain[i] = open(shelf.packs[p.Sum])
			// The whole pack, padding included, is a file that zstd takes.
			total += len(command(t, plain[i], "zstd", "-d", "-c"))
		}
		if total != len(data) {
			t.Errorf("%s: packs hold %d bytes of %d", name, total, len(data))
		}
		// Frames cut out and joined in the order of contents are the stream.
		var frames []byte
		for _, c := range sealed[0].Chunks {
			frames = append(frames, plain[c.Pack][c.Offset:c.Offset+c.Length]...)
		}
		if !bytes.Equal(command(t, frames, "zstd", "-d", "-c"), data) {
			t.Errorf("%s: the stream differs", name)
		}

		doc, err := Encrypt(data, id.recipient)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(command(t, open(doc), "zstd", "-d", "-c"), data) {
			t.Errorf("%s: the document differs", name)
		}
	}
}

func command(t *testing.T, in []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running %s: %v\n%s", filepath.Base(name), err, &errs)
	}
	return out
}
