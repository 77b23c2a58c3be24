// Package sqlite reads SQLite databases: Source dumps one while it is being written to,
// Check proves the structure of such a dump without SQLite and without a disk.
//
// # The path of one dump
//
// Source.Dump looks at the file (there, a plain file, readable), opens one read-only
// connection and begins one read transaction; its first read pins the instant that the dump
// shows, commits that are only in the write-ahead log included. Inside that transaction,
// in this order, Examine runs SQLite's integrity_check and foreign_key_check and counts
// every table, and then stream reads the pages through the sqlite_dbpage table and writes
// them to one stream, named after the file, format "sqlite3". So a damaged database is
// refused before its first byte is written anywhere, and what was checked is what is
// stored. Seal hands over Facts, which Check and the restore target compare with what they
// count themselves.
//
// # What it guarantees
//
//   - The stream is the exact database of one instant, a plain file that needs no -wal: a
//     database in WAL mode stays marked so in its header, and whoever opens the restored
//     file starts a new log.
//   - The database is never written to. Only the empty -wal and the -shm that SQLite itself
//     keeps beside a WAL database may appear, with the owner and mode of the database.
//   - No temporary file: pages go from SQLite's cache to the stream, and temp_store is
//     memory.
//   - Nothing is left open when Dump returns.
//
// # Writers
//
// In WAL mode readers and writers do not wait for each other, but the log cannot be
// reset while the dump runs and grows by what is written meanwhile. In rollback-journal
// mode a commit waits for the dump's shared lock, so the writer needs a busy timeout longer
// than the dump; the dump warns of this. MaxHold bounds the transaction in both modes.
//
// # Databases that need attention
//
//   - A WAL database whose log was left by a crash is read with that log: SQLite rebuilds
//     the -shm beside it.
//   - A WAL database without -wal and -shm, in a folder this user cannot write to, cannot be
//     opened read-only by any SQLite: the error says so. Run as a user who may, or while the
//     application has it open.
//   - A rollback journal left by a crash is hot: it must be played back into the database,
//     which a reader never does. The error matches ErrHotJournal; opening the
//     database once with its application repairs it.
//   - A locked database is an error matching ErrLocked once BusyTimeout has passed.
//   - Indexes or checks that need an extension this program lacks (a collation, a function)
//     cannot be checked by SQLite; Check reads along instead and the dump warns.
//
// # Locks inside one process
//
// POSIX locks vanish when any part of a process closes any descriptor of the file. The
// first open here switches the SQLite library to open-file-description locks where the
// kernel has them, so a files source reading the same folder cannot strip the dump's lock.
// The locks in a -shm stay as they are: while a database is dumped, no other part of the
// process may open its -shm as a plain file. A files source leaves -wal and -shm out.
package sqlite
