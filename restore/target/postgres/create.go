package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"

	"holdfast/restore"
	"holdfast/snapshot/source/postgres/link"
)

const (
	scratchPrefix  = "holdfast_restore_" // of a database while it is loaded
	scratchComment = "holdfast restore, not finished; begun "
	staleAfter     = time.Hour
)

// maintenance are databases to be connected to while another is made.
var maintenance = []string{"postgres", "template1"}

// at is the server to connect to first.
func (t *Target) at(ctx context.Context) (*link.Server, error) {
	if !t.Create {
		return t.Server.Resolve(ctx)
	}
	var failed []error
	for _, name := range maintenance {
		s, err := t.Server.WithDatabase(name).Resolve(ctx)
		if err == nil {
			return s, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// intoNew makes a database under a temporary name, loads it, and renames it when it is whole and
// proven. After any error, and after a rehearsal, it is dropped.
func (l *loading) intoNew(ctx context.Context) (err error) {
	if err := l.vacant(ctx); err != nil {
		return err
	}
	name := scratchPrefix + strings.ToLower(rand.Text()[:16])
	placed := false
	defer func() {
		if !placed {
			err = errors.Join(err, l.discard(ctx, name))
		}
	}()
	if err := l.makeDatabase(ctx, name); err != nil {
		return err
	}
	if err := l.build(ctx, l.server.WithDatabase(name)); err != nil {
		return err
	}
	if l.Rehearse {
		l.note("rehearsed: loaded, counted and compared, then dropped")
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	placed, err = l.place(context.WithoutCancel(ctx), name) // too late to be interrupted
	return err
}

// admin runs do in a session of the maintenance database.
func (l *loading) admin(ctx context.Context, do func(*link.Conn) error) error {
	c, err := l.server.Connect(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(c), hangUp(ctx, c))
}

// vacant refuses a name that is taken, and tells of databases that killed restores left behind.
func (l *loading) vacant(ctx context.Context) error {
	return l.admin(ctx, func(c *link.Conn) error {
		if err := l.tellLeftovers(ctx, c); err != nil {
			return err
		}
		others, there, err := lookUp(ctx, c, l.Server.Database())
		switch {
		case err != nil || !there:
			return err
		case !l.Replace:
			return fmt.Errorf("%w: database %s is there", restore.ErrOccupied, l.Server.Database())
		case others > 0:
			return inUse(l.Server.Database(), others)
		}
		return nil
	})
}

func inUse(name string, others int) error {
	return fmt.Errorf("%w: %d others are connected to database %s", restore.ErrOccupied, others, name)
}

// lookUp finds a database and counts who is connected to it.
func lookUp(ctx context.Context, c *link.Conn, name string) (others int, there bool, err error) {
	rows, err := c.Query(ctx, `SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid AND a.pid <> pg_catalog.pg_backend_pid()
		AND a.backend_type = 'client backend') FROM pg_catalog.pg_database d WHERE datname = $1`, name)
	if err != nil {
		return 0, false, fmt.Errorf("looking for database %s: %w", name, err)
	}
	if len(rows) == 0 {
		return 0, false, nil
	}
	others, err = strconv.Atoi(text(rows[0][0]))
	return others, true, err
}

func (l *loading) tellLeftovers(ctx context.Context, c *link.Conn) error {
	rows, err := c.Query(ctx, `SELECT datname, pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database
		WHERE pg_catalog.starts_with(datname, $1) OR pg_catalog.starts_with(datname, $2) ORDER BY datname`, scratchPrefix, oldPrefix)
	if err != nil {
		return fmt.Errorf("looking for leftovers: %w", err)
	}
	for _, row := range rows {
		if strings.HasPrefix(text(row[0]), oldPrefix) {
			l.note("database %s was replaced by a restore that did not come to drop it", text(row[0]))
			continue
		}
		since, ours := strings.CutPrefix(text(row[1]), scratchComment)
		begun, err := time.Parse(time.RFC3339, since)
		if ours && err == nil && time.Since(begun) > staleAfter {
			l.note("database %s is what a restore begun at %s left behind; drop it if that is not running any more", text(row[0]), since)
		}
	}
	return nil
}

// makeDatabase makes a database as the dump's was. Nobody but its owner can connect to it.
func (l *loading) makeDatabase(ctx context.Context, name string) error {
	return l.admin(ctx, func(c *link.Conn) error {
		version, err := serverVersion(ctx, c)
		if err != nil {
			return err
		}
		if err := c.Exec(ctx, "CREATE DATABASE "+pq.QuoteIdentifier(name)+l.locale(version)); err != nil {
			return fmt.Errorf("creating a database: %w", err)
		}
		comment := scratchComment + time.Now().UTC().Format(time.RFC3339)
		err = c.Exec(ctx, "REVOKE CONNECT ON DATABASE "+pq.QuoteIdentifier(name)+" FROM PUBLIC; COMMENT ON DATABASE "+pq.QuoteIdentifier(name)+" IS "+pq.QuoteLiteral(comment))
		if err != nil {
			return fmt.Errorf("marking database %s: %w", name, err)
		}
		return nil
	})
}

// locale are the options that make a database sort and encode as the dump's did.
func (l *loading) locale(version int) string {
	f := l.facts
	s := " TEMPLATE template0 ENCODING " + pq.QuoteLiteral(f.Encoding)
	if f.Collate != "" {
		s += " LC_COLLATE " + pq.QuoteLiteral(f.Collate)
	}
	if f.CType != "" {
		s += " LC_CTYPE " + pq.QuoteLiteral(f.CType)
	}
	switch {
	case f.Provider == "icu" && version >= 150000:
		s += " LOCALE_PROVIDER icu ICU_LOCALE " + pq.QuoteLiteral(f.Locale)
	case f.Provider == "builtin" && version >= 170000:
		s += " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + pq.QuoteLiteral(f.Locale)
	case f.Provider == "libc" && version >= 150000:
		s += " LOCALE_PROVIDER libc"
	}
	return s
}

func serverVersion(ctx context.Context, c *link.Conn) (int, error) {
	rows, err := c.Query(ctx, "SELECT pg_catalog.current_setting('server_version_num')")
	if err != nil {
		return 0, fmt.Errorf("asking for the server's version: %w", err)
	}
	return strconv.Atoi(text(rows[0][0]))
}
