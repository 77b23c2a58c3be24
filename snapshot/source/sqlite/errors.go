package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"holdfast/snapshot"
)

var (
	// ErrLocked means another process kept the database locked for longer than the busy
	// timeout.
	ErrLocked = errors.New("database is locked by another process")
	// ErrHotJournal means a crash left a rollback journal that must be played back before
	// the database can be read, which a reader never does.
	ErrHotJournal = errors.New("an interrupted write must be rolled back first: open the database once with its application")
	// ErrEmpty means the file has no pages or no tables: a vault that was never set up, or
	// the wrong path. An empty dump would look like a good one.
	ErrEmpty = errors.New("database is empty")
	// ErrHeld means the read transaction was ended because it lasted longer than MaxHold.
	ErrHeld = errors.New("reading took longer than allowed")
)

// Explain turns an error of SQLite about the database at path into one that says what it
// means here: a sentinel above, a snapshot.Damage, fs.ErrPermission, or ctx's own error.
// Other errors come back as they are.
func Explain(ctx context.Context, path string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case codes.SQLITE_READONLY_ROLLBACK:
		return ErrHotJournal
	case codes.SQLITE_READONLY_CANTINIT, codes.SQLITE_READONLY_RECOVERY, codes.SQLITE_READONLY_CANTLOCK, codes.SQLITE_READONLY_DIRECTORY:
		return cannotJoin(path)
	case codes.SQLITE_IOERR_SHORT_READ:
		return snapshot.Damaged(path, "the file is cut short")
	}
	switch e.Code() & 0xff {
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return ErrLocked
	case codes.SQLITE_NOTADB:
		return snapshot.Damaged(path, "file is not a database, or it is encrypted")
	case codes.SQLITE_CORRUPT:
		return snapshot.Damaged(path, "%w", err)
	case codes.SQLITE_CANTOPEN:
		return cannotJoin(path)
	case codes.SQLITE_PERM, codes.SQLITE_AUTH:
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return err
}

// isBusy tells of a lock that somebody else holds.
func isBusy(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == codes.SQLITE_BUSY
}

// cannotJoin says why a database that is there and readable cannot be opened: in WAL mode
// even a reader needs the -shm, and must make it if it is missing.
func cannotJoin(path string) error {
	return fmt.Errorf("%w: the database is in WAL mode and its -wal and -shm cannot be opened or made here; "+
		"run as a user who may write to the folder of %s", fs.ErrPermission, path)
}

// lacksExtension reports whether a check could not run because the schema uses something
// this build of SQLite does not have, as against finding damage.
func lacksExtension(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == codes.SQLITE_ERROR
}
