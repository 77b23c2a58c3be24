package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"

	"holdfast/snapshot/pack"
)

// forge changes a signed document by a jq filter and signs it again with the host key, as one
// could who stole that: forge FILE FILTER.
func forge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: forge FILE FILTER")
	}
	ts.Check(resign(ts, match(ts, args[0]), func(doc []byte) ([]byte, error) { return jq(doc, args[1]) }))
}

// forgeContents does the same to the contents of a snapshot of the vault keys, and makes its
// manifest vouch for them: forgecontents ID FILTER.
func forgeContents(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: forgecontents ID FILTER")
	}
	vault := filepath.Join(ts.Getenv("OBJECTS"), "vaults", "keys")
	epoch := openEpoch(ts, match(ts, filepath.Join(vault, "keys", "*")))
	path := filepath.Join(vault, "snapshots", args[0], "contents")
	text, err := pack.Decrypt(strings.NewReader(ts.ReadFile(path)), 1<<20, epoch)
	ts.Check(err)
	text, err = jq(text, args[1])
	ts.Check(err)
	body, err := pack.Encrypt(text, epoch.Recipient())
	ts.Check(err)
	ts.Check(os.WriteFile(path, body, 0))
	sum := fmt.Sprintf(`.contents = {size: %d, sha256: "%x"}`, len(body), sha256.Sum256(body))
	ts.Check(resign(ts, filepath.Join(filepath.Dir(path), "manifest"), func(doc []byte) ([]byte, error) { return jq(doc, sum) }))
}

// resign rewrites the JSON line of a signed note in place.
func resign(ts *testscript.TestScript, path string, change func([]byte) ([]byte, error)) error {
	host, err := readHostKey(ts.MkAbs("host.key"))
	if err != nil {
		return err
	}
	doc, _, _ := strings.Cut(ts.ReadFile(path), "\n")
	text, err := change([]byte(doc))
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: string(text) + "\n"}, host.Signer)
	if err != nil {
		return err
	}
	return os.WriteFile(path, signed, 0)
}

// openEpoch opens an epoch as the format says, with the identity of the script.
func openEpoch(ts *testscript.TestScript, path string) *age.HybridIdentity {
	doc, _, _ := strings.Cut(ts.ReadFile(path), "\n")
	var epoch struct{ Identity string }
	ts.Check(json.Unmarshal([]byte(doc), &epoch))
	ids, err := (&session{}).identities(context.Background(), []string{ts.MkAbs("identity.txt")})
	ts.Check(err)
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(epoch.Identity)), ids...)
	ts.Check(err)
	text, err := io.ReadAll(r)
	ts.Check(err)
	id, err := age.ParseHybridIdentity(strings.TrimSpace(string(text)))
	ts.Check(err)
	return id
}

func jq(doc []byte, filter string) ([]byte, error) {
	cmd := exec.CommandContext(context.Background(), "jq", "-c", filter)
	cmd.Stdin = bytes.NewReader(doc)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running jq %s: %w", filter, err)
	}
	return bytes.TrimSpace(out), nil
}
