package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgproto3"
)

// CopyIn runs a COPY ... FROM STDIN with all that r holds, and returns how many rows the server
// took. An error of r aborts the COPY and is returned as it is. After an error of the server no
// more is read from r. The rows are there once the transaction commits.
func (c *Conn) CopyIn(ctx context.Context, r io.Reader, sql string) (int64, error) {
	in := copyIn{r: r, to: c.raw}
	err := c.do(ctx, func() error {
		if err := c.send(&pgproto3.Query{String: sql}); err != nil {
			return err
		}
		err := c.read(func(kind byte, body []byte) error { return c.takeIn(&in, kind, body) })
		if failed := in.stop(); failed != nil {
			return failed
		}
		if err != nil {
			return err
		}
		return in.whole()
	})
	if err != nil {
		return 0, err
	}
	return in.said, nil
}

// A copyIn is how far a COPY FROM STDIN has come. Rows are sent by a goroutine of their own, so
// that what the server says meanwhile is heard.
type copyIn struct {
	r  io.Reader
	to io.Writer

	began    bool
	complete bool
	said     int64 // rows, by the server

	over   atomic.Bool // the server has answered: nothing more is to be sent
	sent   chan struct{}
	failed error // of r; valid once sent is closed
}

func (c *Conn) takeIn(in *copyIn, kind byte, body []byte) error {
	switch kind {
	case 'G':
		if in.began {
			// The rows went to the first. Which is an error whatever becomes of the second.
			return errors.Join(errors.New("there is more than one COPY"), c.send(&pgproto3.CopyFail{}))
		}
		in.began = true
		in.sent = make(chan struct{})
		go in.send()
		return nil
	case 'C':
		if n, ok := copied(body); ok && in.began {
			in.said, in.complete = n, true
		}
		return nil
	}
	return c.withoutCopy(kind, body)
}

// stop waits for the goroutine that sends, and returns why its rows ended too early.
func (in *copyIn) stop() error {
	if !in.began {
		return nil
	}
	in.over.Store(true)
	<-in.sent
	return in.failed
}

func (in *copyIn) whole() error {
	switch {
	case !in.began:
		return errors.New("the statement is not a COPY FROM STDIN")
	case !in.complete:
		return fmt.Errorf("%w: the server did not say that it is complete", ErrCopy)
	}
	return nil
}

// send cuts what r holds into messages without a look at the rows, which the protocol allows. It
// leaves errors of the connection to whoever reads from it at the same time.
func (in *copyIn) send() {
	defer close(in.sent)
	message := make([]byte, headerSize+sendSize)
	message[0] = 'd'
	for !in.over.Load() {
		n, err := fill(in.r, message[headerSize:])
		if err != nil && err != io.EOF {
			in.fail(err)
			return
		}
		if n > 0 {
			binary.BigEndian.PutUint32(message[1:], uint32(n+4))
			if _, err := in.to.Write(message[:headerSize+n]); err != nil {
				return
			}
		}
		if err == io.EOF {
			_, _ = in.to.Write([]byte{'c', 0, 0, 0, 4})
			return
		}
	}
}

// sendSize is how many bytes of rows are sent at once.
const sendSize = 256 << 10

// fill reads until p is full or r ends. Unlike io.ReadFull it returns the error of r as it is:
// io.ErrUnexpectedEOF of a torn r must not pass for the end of a whole one.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

// fail has the server drop the rows. What went wrong is not for the server's log.
func (in *copyIn) fail(err error) {
	in.failed = err
	m, encodeErr := (&pgproto3.CopyFail{Message: "the rows to send ended with an error"}).Encode(nil)
	if encodeErr == nil {
		_, _ = in.to.Write(m)
	}
}
