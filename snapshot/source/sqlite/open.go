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
	"sync"
	"time"

	driver "modernc.org/sqlite"
)

// settings hold for every connection here: no temporary file ever holds rows, a hostile
// schema gets no functions with side effects, and nothing is written.
var settings = []string{"temp_store(memory)", "trusted_schema(0)", "cell_size_check(1)", "query_only(1)", "cache_size(-16384)"}

// Open opens one read-only connection to the database at an absolute path, with the options
// that go into SQLite's URI ("mode", "vfs", "immutable"). Closing the DB closes it.
func Open(ctx context.Context, path string, options url.Values, busy time.Duration) (*sql.DB, *sql.Conn, error) {
	preferOpenFileLocks()
	options.Set("_busy_timeout", strconv.FormatInt(busy.Milliseconds(), 10))
	options["_pragma"] = settings
	connector, err := driver.NewConnector(URI(path, options))
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, conn, nil
}

// URI is the data source name of the database at an absolute path: question marks, percent
// signs and the like in it are escaped, so no part of a path is taken for an option.
func URI(path string, options url.Values) string {
	u := url.URL{Scheme: "file", Path: path, OmitHost: true, RawQuery: options.Encode()}
	return u.String()
}

// preferOpenFileLocks makes the locks of this process survive the closing of some other
// descriptor of the same file. Where the kernel has no such locks, or a connection was
// opened before the first of ours, SQLite's default stays, which is right for every
// process that does not also open the database as a plain file.
var preferOpenFileLocks = sync.OnceFunc(func() {
	_, err := driver.OFDLocking(true)
	if err != nil && !errors.Is(err, driver.ErrOFDLockingUnavailable) && !errors.Is(err, driver.ErrOFDLockingTooLate) {
		panic(fmt.Sprintf("choosing file locks: %v", err)) // it has no other error
	}
})

// look finds the database file without opening it: an open and close here could strip the
// locks that another connection of this process holds.
func look(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("is a directory, not a database file")
	}
	if !info.Mode().IsRegular() {
		return errors.New("is not a regular file")
	}
	if err := readable(path); err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return nil
}
