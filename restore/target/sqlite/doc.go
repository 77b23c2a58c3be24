// Package sqlite restores a dump of package holdfast/snapshot/source/sqlite into a file, and
// checks such a dump without restoring it.
//
// # The path of one load
//
// Preflight lists everything that stands in the way. Load then writes the stream into a
// file that has no name yet (O_TMPFILE; a hidden name in the same folder where the file
// system has no such thing), mode 0600. When the stream has ended with io.EOF and the file is
// synced, prove reads it back from the disk twice at once: for its SHA-256, and through
// SQLite for integrity_check, foreign keys, schema and the rows of every table, which must
// be those of the dump's Facts. SQLite gets at the nameless file through a read-only virtual
// file system, so that checking leaves no -wal or -shm. Only then does place give the file
// its name, and syncs the folder.
//
// # What it guarantees
//
//   - The name appears once the database under it is whole, proven and durable. Before that,
//     and after any error or SIGKILL, the folder is as it was; without O_TMPFILE, and in the
//     moment of a replacement, a SIGKILL can leave a hidden file.
//   - Without Replace nothing is ever overwritten: the name is given by a link, which fails
//     if it exists, and a -wal, -shm or -journal of another database beside it is refused,
//     because SQLite would play it into the restored one.
//   - With Replace the old database stays whole until the new one takes its name. Holding its
//     exclusive lock, SQLite first finishes what the old log or journal holds and removes
//     them; so whichever of the two a crash leaves under the name, no file beside it
//     belongs to the other. An old database that is in use is refused, one that is too
//     damaged for SQLite to open has its side files set aside while the name changes. A file
//     that does not even begin as a database does is refused: nobody means to lose it.
//   - The new database has the mode of the one it replaces, its owner and its access list,
//     as far as this process may set them.
//   - A rehearsal does all of it but the name.
//
// Checker proves the structure and row counts of a dump as it streams by, on no disk and in
// a few bytes a page; see Check in the source package for what that covers.
package sqlite
