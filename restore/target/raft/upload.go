package raft

import (
	"errors"
	"io"

	"holdfast/snapshot/source/raft/archive"
)

// upload makes an archive of members and hands it to put as it is made. An error on either side ends
// the other: what a server gets of an archive that could not be read to its end is cut short, and it
// takes none of it. A yes that comes before the end is none: something in between may say so.
func upload(members []archive.Member, put func(io.Reader) error) error {
	r, w := io.Pipe()
	made := make(chan error, 1)
	go func() {
		err := archive.Write(w, members)
		w.CloseWithError(err)
		made <- err
	}()
	err := put(r)
	r.CloseWithError(errNotWanted)
	switch makeErr := <-made; {
	case makeErr != nil && !errors.Is(makeErr, errNotWanted):
		return makeErr // put's is only the consequence
	case makeErr != nil && err == nil:
		return errTooSoon
	}
	return err
}

// errTooSoon means that the answer was yes while most of the archive was still to be sent.
var errTooSoon = errors.New("the answer was yes before the whole archive was sent, so it is not the server's")

// errNotWanted ends the making of an archive that the server does not read to its end.
var errNotWanted = errors.New("the server does not read on")
