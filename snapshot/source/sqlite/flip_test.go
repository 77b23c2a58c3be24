package sqlite_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"holdfast/snapshot"
	"holdfast/snapshot/source/sqlite"
)

// Every flipped bit must be noticed by Check, or lie where only the digest looks: in what
// rows say, in unused space, or in a header field that describes no structure. What Check
// accepts, SQLite must accept too.
func TestFlippedBitsAreNoticedOrOutsideOfStructure(t *testing.T) {
	for vacuum := range 2 {
		content, facts := sample(t, 1024, vacuum)
		r := rand.New(rand.NewPCG(1, uint64(vacuum)))
		noticed, accepted := 0, 0
		for page := range len(content) / 1024 {
			for range 6 {
				at := page*1024 + r.IntN(1024)
				if r.IntN(2) == 0 {
					at = page*1024 + r.IntN(24) // where the b-tree header is
				}
				bit := byte(1) << r.IntN(8)
				content[at] ^= bit
				_, err := sqlite.Check(bytes.NewReader(content), &facts)
				if err == nil {
					accepted++
					if accepted%8 == 0 {
						structureHolds(t, content, at)
					}
				} else {
					noticed++
					if !errors.Is(err, snapshot.ErrDamaged) {
						t.Fatalf("byte %d: %v does not match ErrDamaged", at, err)
					}
				}
				content[at] ^= bit
			}
		}
		t.Logf("auto_vacuum %d: %d noticed, %d outside of structure", vacuum, noticed, accepted)
		if noticed < accepted/4 {
			t.Errorf("only %d of %d flipped bits were noticed", noticed, noticed+accepted)
		}
	}
}

// ofRows matches what quick_check says of keys and values. It names the page of what is
// wrong with a page; "malformed" alone is the inside of a row that cannot be decoded.
var ofRows = regexp.MustCompile(`out of order|NULL value|NUMERIC value|TEXT value|non-.* value|^database disk image is malformed`)

// structureHolds asks SQLite whether the structure of what Check accepted is sound: pages,
// cells, free list. The order of keys across pages is left to the digest. If the flipped bit
// lies in the text of the schema, SQLite gets no further, which is the digest's as well.
func structureHolds(t *testing.T, content []byte, at int) {
	t.Helper()
	out, err := exec.Command("sqlite3", "-batch", save(t, content), "PRAGMA quick_check").CombinedOutput()
	if err != nil && !strings.Contains(string(out), "malformed") && !strings.Contains(string(out), "prepare") {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if err == nil && strings.TrimSpace(line) != "ok" && !strings.HasPrefix(line, "***") && !ofRows.MatchString(line) {
			t.Errorf("byte %d: Check accepts what SQLite calls %s", at, line)
		}
	}
}
