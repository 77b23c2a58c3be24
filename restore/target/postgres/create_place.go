package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"

	"holdfast/restore"
	"holdfast/snapshot/source/postgres/link"
)

// oldPrefix names a database that was replaced, until it is dropped.
const oldPrefix = "holdfast_replaced_"

// dropTimeout is how long the removal of a database may take.
const dropTimeout = time.Minute

// place gives the database its name, and with Replace takes it from the one that had it, in one transaction.
// It reports whether the database has the name, also along with an error.
func (l *loading) place(ctx context.Context, name string) (placed bool, err error) {
	wanted := l.Server.Database()
	old := ""
	var transaction string
	swapped, open := false, true
	err = l.admin(ctx, func(c *link.Conn) error {
		others, there, err := lookUp(ctx, c, wanted)
		if err != nil {
			return err
		}
		if there && l.Replace {
			old = oldPrefix + strings.ToLower(rand.Text()[:16])
			if others > 0 {
				return inUse(wanted, others)
			}
			if open, err = isOpen(ctx, c, wanted); err != nil {
				return err
			}
		}
		transaction, err = swap(ctx, c, name, wanted, old, open)
		swapped = err == nil
		return err
	})
	switch {
	case swapped: // even if the session then did not end as it should
	case errors.Is(err, link.ErrLost) && transaction != "":
		if placed, err = l.placed(ctx, transaction, err); !placed || err != nil {
			return placed, err
		}
	default:
		return false, err
	}
	if old == "" {
		return true, nil
	}
	if err := l.discard(ctx, old); err != nil { // the new one is in place, which an error would deny
		l.note("dropping the database that was replaced: %v", err)
	}
	l.note("the database that was replaced had an owner, grants and settings of its own, which no dump has: set them again")
	return true, nil
}

// isOpen reports whether everyone may connect to a database. Where not, they may not to the one that replaces it.
func isOpen(ctx context.Context, c *link.Conn, name string) (bool, error) {
	rows, err := c.Query(ctx, "SELECT pg_catalog.has_database_privilege('public', $1::text, 'CONNECT')", name)
	if err != nil {
		return false, fmt.Errorf("asking who may connect to database %s: %w", name, err)
	}
	return text(rows[0][0]) == "t", nil
}

// swap renames databases. What a killed COMMIT leaves is all of it or nothing; which, the number of the
// transaction tells, which is returned once COMMIT is sent.
func swap(ctx context.Context, c *link.Conn, name, wanted, old string, open bool) (transaction string, err error) {
	steps := []string{"BEGIN", "COMMENT ON DATABASE " + pq.QuoteIdentifier(name) + " IS NULL"}
	if open {
		steps = append(steps, "GRANT CONNECT ON DATABASE "+pq.QuoteIdentifier(name)+" TO PUBLIC")
	}
	if old != "" {
		steps = append(steps, "ALTER DATABASE "+pq.QuoteIdentifier(wanted)+" RENAME TO "+pq.QuoteIdentifier(old))
	}
	steps = append(steps, "ALTER DATABASE "+pq.QuoteIdentifier(name)+" RENAME TO "+pq.QuoteIdentifier(wanted))
	for _, sql := range steps {
		err := c.Exec(ctx, sql)
		if err == nil {
			continue
		}
		if exists(err) {
			err = fmt.Errorf("%w: %w", restore.ErrOccupied, err)
		}
		return "", fmt.Errorf("giving the database its name: %w", err)
	}
	transaction, err = transactionOf(ctx, c)
	if err != nil {
		return "", err
	}
	if err := c.Exec(ctx, "COMMIT"); err != nil {
		return transaction, fmt.Errorf("giving the database its name: %w", err)
	}
	return transaction, nil
}

// placed asks what became of the transaction that gives the name, after the answer to COMMIT was lost.
func (l *loading) placed(ctx context.Context, transaction string, lost error) (bool, error) {
	committed, err := l.committed(ctx, transaction)
	switch {
	case err != nil:
		// Better to leave a database behind than to drop the one that was asked for.
		return true, errors.Join(fmt.Errorf("%w: %w", ErrUnknown, lost), err)
	case !committed:
		return false, fmt.Errorf("nothing was committed: %w", lost)
	}
	l.note("the connection was lost while the database got its name; the server says that it did")
	return true, nil
}

// discard drops a database, whoever is connected to it, even if ctx ended.
func (l *loading) discard(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	err := l.admin(ctx, func(c *link.Conn) error {
		version, err := serverVersion(ctx, c)
		if err != nil {
			return err
		}
		if version >= 130000 {
			return c.Exec(ctx, "DROP DATABASE IF EXISTS "+pq.QuoteIdentifier(name)+" WITH (FORCE)")
		}
		if _, err := c.Query(ctx, "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = $1", name); err != nil {
			return err
		}
		return c.Exec(ctx, "DROP DATABASE IF EXISTS "+pq.QuoteIdentifier(name))
	})
	if err != nil {
		return fmt.Errorf("dropping database %s: %w", name, err)
	}
	return nil
}
