package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"time"

	driver "modernc.org/sqlite"

	"holdfast/restore"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/sqlite"
)

// place gives the proven scratch its name. The note, if any, is for people.
func (t *Target) place(ctx context.Context, f *scratch, path string) (note string, err error) {
	old, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if t.Replace { // nothing there to replace but what a lost database left
			if err := removeSides(path); err != nil {
				return "", err
			}
		}
		if err := f.take(path); err != nil {
			return "", occupied(err, path)
		}
		return "", syncFolder(path)
	}
	if err != nil {
		return "", err
	}
	if !t.Replace {
		return "", fmt.Errorf("%s exists: %w", path, restore.ErrOccupied)
	}
	note = keepOwner(f.File, old)
	return note, t.replace(ctx, f, path)
}

// replace swaps the old database for the scratch. A -wal or -journal beside a database is
// part of it, and there is no renaming two files at once: if the old ones outlived the old
// database, SQLite would play them into the new one; if they went first, the old
// database would lose its last commits to a crash. So SQLite makes the old database one
// file first.
func (t *Target) replace(ctx context.Context, f *scratch, path string) (err error) {
	old, err := seize(ctx, path, t.BusyTimeout)
	if errors.Is(err, snapshot.ErrDamaged) {
		return setAside(f, path)
	}
	if err != nil {
		return fmt.Errorf("taking over the old database: %w", err)
	}
	// While it is held nobody can begin to read or write it under this name.
	if err := swap(f, path); err != nil {
		return errors.Join(err, old.giveBack(ctx))
	}
	return old.close()
}

func swap(f *scratch, path string) error {
	if err := removeSides(path); err != nil { // an empty -journal, or an -shm without a -wal
		return err
	}
	if err := syncFolder(path); err != nil {
		return err
	}
	if err := f.replace(path); err != nil {
		return err
	}
	return syncFolder(path)
}

// A held database is open, in one file, and locked against everybody else.
type held struct {
	db   *sql.DB
	conn *sql.Conn
	wal  bool // it was in WAL mode
}

// seize takes the exclusive lock of the database at path, plays back a hot journal or
// recovers the log, and leaves WAL mode, which folds the log into the file and removes
// it. Leaving it also protects the new database from a process that has opened the old
// file and waits for its lock: in WAL mode that process would next open the -wal by name,
// which by then is the new database's; with a rollback journal SQLite refuses to write to
// a file that has lost its name.
func seize(ctx context.Context, path string, busy time.Duration) (*held, error) {
	if busy == 0 {
		busy = 5 * time.Second
	}
	options := url.Values{"mode": {"rw"}, "_busy_timeout": {strconv.FormatInt(busy.Milliseconds(), 10)}, "_pragma": {"locking_mode(exclusive)", "temp_store(memory)"}}
	connector, err := driver.NewConnector(source.URI(path, options))
	if err != nil {
		return nil, err
	}
	h := &held{db: sql.OpenDB(connector)}
	if err := h.lock(ctx); err != nil {
		if err = source.Explain(ctx, path, err); errors.Is(err, source.ErrLocked) {
			err = ErrInUse
		}
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *held) lock(ctx context.Context) (err error) {
	if h.conn, err = h.db.Conn(ctx); err != nil {
		return err
	}
	var mode string
	if err := h.conn.QueryRowContext(ctx, "SELECT journal_mode, (SELECT COUNT(*) FROM sqlite_schema) FROM pragma_journal_mode").Scan(&mode, new(int64)); err != nil {
		return err
	}
	h.wal = mode == "wal"
	if err := h.conn.QueryRowContext(ctx, "PRAGMA journal_mode = delete").Scan(&mode); err != nil {
		return err
	}
	if mode == "wal" {
		return ErrInUse
	}
	_, err = h.conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
	return err
}

// giveBack releases a database that keeps its name, as it was.
func (h *held) giveBack(ctx context.Context) error {
	_, err := h.conn.ExecContext(ctx, "ROLLBACK")
	if h.wal {
		err = errors.Join(err, h.conn.QueryRowContext(ctx, "PRAGMA journal_mode = wal").Scan(new(string)))
	}
	return errors.Join(err, h.close())
}

func (h *held) close() error {
	if h.conn == nil {
		return h.db.Close()
	}
	return errors.Join(h.conn.Close(), h.db.Close())
}

// setAside replaces a database that SQLite cannot open. Its side files get other names
// until the new database has its own: a crash in between leaves everything there is.
func setAside(f *scratch, path string) (err error) {
	moved := map[string]string{}
	defer func() {
		for side, name := range moved {
			if err != nil {
				err = errors.Join(err, os.Rename(name, side))
				continue
			}
			if gone := os.Remove(name); gone != nil {
				err = gone // the new database is in place, and this file is in nobody's way
			}
		}
	}()
	for _, side := range sides {
		name, err := freeName(path + side)
		if err != nil {
			return err
		}
		if err := os.Rename(path+side, name); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		moved[path+side] = name
	}
	if err := syncFolder(path); err != nil {
		return err
	}
	if err := f.replace(path); err != nil {
		return err
	}
	return syncFolder(path)
}

func removeSides(path string) error {
	for _, side := range sides {
		if err := os.Remove(path + side); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// occupied says that someone else took the name since Preflight.
func occupied(err error, path string) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: %w", path, restore.ErrOccupied)
	}
	return err
}
