package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/snapshot/source/postgres/link"
)

// intoExisting loads into the database of Server, in one transaction of one session.
func (l *loading) intoExisting(ctx context.Context) error {
	r, err := l.survey(ctx)
	if err != nil {
		return err
	}
	c, err := l.connect(ctx, l.server)
	if err != nil {
		return err
	}
	closed := false
	defer func() {
		if !closed {
			_ = hangUp(ctx, c) // whatever ended the load is the error to tell
		}
	}()
	if err := c.Exec(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '"+lockTimeout+"'"); err != nil {
		return fmt.Errorf("beginning the transaction: %w", err)
	}
	if err := l.fill(ctx, c, r); err != nil {
		return errors.Join(err, rollBack(ctx, c))
	}
	if l.Rehearse {
		if err := c.Exec(ctx, "ROLLBACK"); err != nil {
			return fmt.Errorf("undoing the rehearsal: %w", err)
		}
		l.note("rehearsed: loaded, counted and compared, then undone")
		return nil
	}
	if err := l.commit(ctx, c); err != nil {
		return err
	}
	closed = true
	if err := hangUp(ctx, c); err != nil { // the rows are there, which an error would deny
		l.note("closing the session after the commit: %v", err)
	}
	return nil
}

// lockTimeout is how long the load waits for a table that others use, all of whom wait behind it.
const lockTimeout = "30s"

// rollBack ends the transaction before Load returns; where the session is gone, so is it.
func rollBack(ctx context.Context, c *link.Conn) error {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	if err := c.Exec(ctx, "ROLLBACK"); err != nil && !errors.Is(err, link.ErrLost) {
		return fmt.Errorf("rolling back: %w", err)
	}
	return nil
}

// fill does all that the transaction does.
func (l *loading) fill(ctx context.Context, c *link.Conn, r *room) error {
	if err := r.clear(ctx, c, l); err != nil {
		return err
	}
	move, err := l.setAside(ctx, c)
	if err != nil {
		return err
	}
	usual, err := suspendDefaults(ctx, c)
	if err != nil {
		return err
	}
	s := r.without(l.stages())
	if err := l.create(ctx, c, s.first); err != nil {
		return err
	}
	if err := l.findTrees(ctx, c); err != nil {
		return err
	}
	for _, t := range l.tables {
		frozen := t.via == nil && !r.keeps(t)
		if err := l.copyParts(ctx, c, t, t.parts, frozen); err != nil {
			return err
		}
	}
	if err := l.setSequences(ctx, c, r); err != nil {
		return err
	}
	if err := l.create(ctx, c, s.main); err != nil {
		return err
	}
	if err := r.reattach(ctx, c); err != nil {
		return err
	}
	for _, p := range l.proofs() { // as late as row security, which may hide rows, allows
		if err := l.verifyRows(ctx, c, p); err != nil {
			return err
		}
	}
	if err := l.verifySequences(ctx, c); err != nil {
		return err
	}
	if err := r.guard(ctx, c); err != nil {
		return err
	}
	if err := run(ctx, c, usual.resume); err != nil {
		return err
	}
	if err := l.analyze(ctx, c); err != nil {
		return err
	}
	if err := l.conclude(ctx, c, s); err != nil {
		return err
	}
	return move.back(ctx, c)
}

// conclude does what comes after the rows are proven.
func (l *loading) conclude(ctx context.Context, c *link.Conn, s stages) error {
	if err := l.create(ctx, c, s.guards); err != nil {
		return err
	}
	if err := l.create(ctx, c, s.grants); err != nil {
		return err
	}
	if err := l.refresh(ctx, c); err != nil {
		return err
	}
	return l.create(ctx, c, s.last)
}

// commit makes the load visible. If the answer to COMMIT is lost, another session asks the server what
// became of the transaction: to tell a user the wrong half of it would be worse than not to restore.
func (l *loading) commit(ctx context.Context, c *link.Conn) error {
	id, err := transactionOf(ctx, c)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// From here on it is too late to be interrupted.
	ctx = context.WithoutCancel(ctx)
	err = c.Exec(ctx, "COMMIT")
	if err == nil {
		return nil
	}
	if !errors.Is(err, link.ErrLost) {
		return fmt.Errorf("committing: %w", err)
	}
	committed, askErr := l.committed(ctx, id)
	switch {
	case askErr != nil:
		return errors.Join(fmt.Errorf("committing: %w: %w", ErrUnknown, err), askErr)
	case !committed:
		return fmt.Errorf("committing: nothing was committed: %w", err)
	}
	l.note("the connection was lost while the server committed; the server says that it did")
	return nil
}

func transactionOf(ctx context.Context, c *link.Conn) (string, error) {
	rows, err := c.Query(ctx, "SELECT txid_current()")
	if err != nil {
		return "", fmt.Errorf("asking for the transaction's number: %w", err)
	}
	return text(rows[0][0]), nil
}

// ErrUnknown means that the answer to COMMIT was lost and the server could not be asked again.
var ErrUnknown = errors.New("it is unknown whether the load was committed")

// How long commit waits for a server that does not answer, or has not ended the transaction.
const (
	patience = 30 * time.Second
	pause    = 250 * time.Millisecond
)

// committed asks the server what became of a transaction until it knows.
func (l *loading) committed(ctx context.Context, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		status, err := l.status(ctx, id)
		switch status {
		case "committed":
			return true, nil
		case "aborted":
			return false, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false, errors.Join(fmt.Errorf("asking what became of transaction %s", id), err)
		}
	}
}

func (l *loading) status(ctx context.Context, id string) (string, error) {
	c, err := l.server.Connect(ctx)
	if err != nil {
		return "", err
	}
	rows, err := c.Query(ctx, "SELECT txid_status($1::bigint)", id)
	if err = errors.Join(err, hangUp(ctx, c)); err != nil {
		return "", err
	}
	return text(rows[0][0]), nil
}
