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

// place gives the proven scratch its name. After an error the folder is as it was. What goes
// wrong once the name is given is in notes, for people: an error would deny the restore.
func (t *Target) place(ctx context.Context, f *scratch, path string) (notes []string, err error) {
	old, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && t.Replace: // nothing there but what a lost database left
		return withoutSides(path, f.take)
	case errors.Is(err, fs.ErrNotExist):
		return nil, f.take(path)
	case err != nil:
		return nil, err
	case !t.Replace:
		return nil, fmt.Errorf("%s exists: %w", path, restore.ErrOccupied)
	}
	if err := wantDatabase(path); err != nil {
		return nil, err
	}
	notes = keepAttributes(f.File, path, old)
	if err := f.Sync(); err != nil {
		return nil, err
	}
	more, err := t.replace(ctx, f, path)
	return append(notes, more...), err
}

// replace swaps the old database for the scratch. A -wal or -journal beside a database is
// part of it, and there is no renaming two files at once: if the old ones outlived the old
// database, SQLite would play them into the new one; if they went first, the old
// database would lose its last commits to a crash. So SQLite makes the old database one
// file first.
func (t *Target) replace(ctx context.Context, f *scratch, path string) (notes []string, err error) {
	old, err := seize(ctx, path, t.BusyTimeout)
	if errors.Is(err, snapshot.ErrDamaged) {
		return withoutSides(path, f.replace)
	}
	if err != nil {
		return nil, fmt.Errorf("taking over the old database: %w", err)
	}
	// While it is held nobody can begin to read or write it under this name.
	if err := swap(f, path); err != nil {
		return nil, errors.Join(err, old.giveBack(ctx))
	}
	if err := old.close(); err != nil {
		notes = append(notes, fmt.Sprintf("letting go of the replaced database: %v", err))
	}
	return notes, nil
}

func swap(f *scratch, path string) error {
	if err := removeSides(path); err != nil { // an empty -journal, or an -shm without a -wal
		return err
	}
	if err := syncFolder(path); err != nil {
		return err
	}
	return f.replace(path)
}

// A held database is open, in one file, and locked against everybody else.
type held struct {
	db     *sql.DB
	conn   *sql.Conn
	wal    bool // it was in WAL mode
	locked bool
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
		return nil, errors.Join(err, h.giveBack(ctx))
	}
	return h, nil
}

// exclusive is a variable so that a test can have it fail.
var exclusive = "BEGIN EXCLUSIVE"

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
	_, err = h.conn.ExecContext(ctx, exclusive)
	h.locked = err == nil
	return err
}

// giveBack releases a database that keeps its name, as it was, whether or not all of it was
// taken.
func (h *held) giveBack(ctx context.Context) error {
	var err error
	if h.locked {
		_, err = h.conn.ExecContext(ctx, "ROLLBACK")
	}
	if h.wal {
		err = errors.Join(err, h.backToWAL(ctx))
	}
	return errors.Join(err, h.close())
}

func (h *held) backToWAL(ctx context.Context) error {
	var mode string
	err := h.conn.QueryRowContext(ctx, "PRAGMA journal_mode = wal").Scan(&mode)
	if err == nil && mode != "wal" {
		err = fmt.Errorf("journal mode %s instead", mode)
	}
	if err != nil {
		return fmt.Errorf("putting the database back into WAL mode: %w", err)
	}
	return nil
}

func (h *held) close() error {
	if h.conn == nil {
		return h.db.Close()
	}
	return errors.Join(h.conn.Close(), h.db.Close())
}

// withoutSides lets give give path its database where the files beside it cannot be trusted
// to SQLite: those of a lost database, or of one that it cannot open. They have other names
// until the new database has its own: a crash in between leaves everything there is.
func withoutSides(path string, give func(path string) error) (notes []string, err error) {
	moved, err := moveSides(path)
	if err == nil {
		err = give(path)
	}
	if err != nil {
		return nil, errors.Join(err, moveBack(moved))
	}
	for _, name := range moved {
		if err := os.Remove(name); err != nil { // it is in nobody's way
			notes = append(notes, fmt.Sprintf("removing what belonged to the replaced database: %v", err))
		}
	}
	return notes, nil
}

// moveSides gives the side files hidden names, by what they were called, also after an error.
func moveSides(path string) (moved map[string]string, err error) {
	moved = map[string]string{}
	for _, side := range sides {
		if _, err := os.Lstat(path + side); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		name, err := freeName(path)
		if err != nil {
			return moved, err
		}
		if err := os.Rename(path+side, name); err != nil {
			return moved, err
		}
		moved[path+side] = name
	}
	return moved, syncFolder(path)
}

func moveBack(moved map[string]string) error {
	var err error
	for side, name := range moved {
		err = errors.Join(err, os.Rename(name, side))
	}
	return err
}

func removeSides(path string) error {
	for _, side := range sides {
		if err := os.Remove(path + side); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
