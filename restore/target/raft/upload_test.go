package raft

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"holdfast/snapshot/source/raft/archive"
)

func fourMembers() []archive.Member {
	var list []archive.Member
	for _, name := range archive.Names {
		list = append(list, inMemory(name, bytes.Repeat([]byte("x"), 1000)))
	}
	return list
}

// A proxy or a login page may answer before it has read anything.
func TestAYesBeforeTheEndOfTheArchiveIsNone(t *testing.T) {
	for _, n := range []int64{0, 1, 20} {
		err := upload(fourMembers(), func(r io.Reader) error {
			_, err := io.CopyN(io.Discard, r, n)
			return err
		})
		if !errors.Is(err, errTooSoon) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	refused := errors.New("refused")
	if err := upload(fourMembers(), func(io.Reader) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("refused: %v", err)
	}
	for range 100 { // the last byte may be read before the reader hears of the end
		err := upload(fourMembers(), func(r io.Reader) error {
			return archive.Read(r, func(string, int64, io.Reader) error { return errRead })
		})
		if !errors.Is(err, errRead) {
			t.Fatalf("an error of the reader: %v", err)
		}
		if err := upload(fourMembers(), func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }); err != nil {
			t.Fatalf("all of it: %v", err)
		}
	}
}

var errRead = errors.New("not read on")
