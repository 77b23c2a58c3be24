// Package files dumps a directory tree, or one file, as two streams, and reads them back.
//
// tree.tar is a PAX archive that GNU tar restores with every attribute: names as the bytes they
// are, owners by number and name, setuid and sticky bits, times to the nanosecond, symlinks,
// hard links, fifos, devices, and extended attributes with ACLs and file capabilities among
// them. tree.index has one line of JSON for each member, in the same order: its attributes
// again, the digest of its data, and where in tree.tar the data is, so that one file can be
// restored by reading its range. Both hold nothing that changes by itself, no access times
// and no random order: an unchanged tree dumps to the same bytes.
//
// One call of Source.Dump walks the tree three times: to measure it, to read it (walk_linux.go,
// dump_linux.go, read_linux.go), and to see whether anything changed since it was read
// (watch_linux.go). Check and Reader (reader.go) take the two streams side by side; what
// is impossible is refused in entry.go and sequence.go.
//
// What is guaranteed:
//
//   - The walk opens every entry relative to the directory that holds it and follows no
//     symlink, except that Source.Path itself may be one.
//   - A plain directory has no consistent instant. So a dump ends without an error only if no
//     entry changed between the beginning and the end, or if OnChange is "warn" and the
//     changes are counted. Files up to 1 MiB are read whole and again until they are
//     steady; a larger file that shrinks is an error under either policy, and of one that
//     grows the first part is dumped. The kernel's times are what tells: on a file system
//     that keeps them in whole seconds a change within the second of another may not show.
//   - Nothing is left out silently: an unreadable entry is an error, sockets are counted.
//   - Holes of sparse files are skipped at the disk, dumped as zeros, which cost next to nothing
//     once compressed, and marked in the index, so that a restore makes holes again.
//   - Hard links are kept between regular files; other kinds are dumped once for each name.
//   - Memory is bounded but for about 40 bytes for each entry while dumping, the names of one
//     directory at a time, and what is kept for files with several names, at most a million.
//     Reading a dump takes the last of these and two lines of the index.
package files
