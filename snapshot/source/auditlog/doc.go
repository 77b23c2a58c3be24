// Package auditlog dumps the log of a file audit device of HashiCorp Vault or OpenBao, with all that
// rotation made of it, and counts what an access review asks for.
//
// One call of Source.Dump opens every file of the log (naming.go, collect.go, logfile.go), oldest
// first, unpacks it (unpack.go), and hands its lines to a stream while it counts them (dump.go,
// counter.go, entry.go). The last stream lists the files and has the counts of all (index.go).
//
//	log/20261122T020000.123456789Z-0a1b2c3d4e5f6071   the lines of one file, as the server wrote them
//	files.json                                        which file is which stream; facts: Facts
//
// To restore by hand: jq -r '.files[] | [.stream, .name] | @tsv' of files.json tells what to call
// each stream.
//
// A stream has the name of the first entry in it: its time and a part of the hash of its line. That is
// what stays when audit.log becomes audit.log.1, then audit.log.2.gz, while every name in the
// folder comes to mean another file. So:
//
//   - A log that only grew has the stream of the snapshot before as its beginning, and
//     content-defined chunks store what was appended and a chunk before it.
//   - A rotated file is stored once: renamed or packed it is the same stream with the same bytes. It
//     is carried over unread if device, inode, size, modification and change time are those of
//     the snapshot before. The change time is what cannot be set by hand; a rename moves it, so after
//     a rotation that renames a file is read once more and stored not at all.
//   - A file that lost lines shows: the same stream is shorter, or it is gone while older ones
//     are still there. Both are warnings, and Diff of the target tells which entries are missing.
//
// What is guaranteed:
//
//   - Every file that is there when a dump begins is in it as far as its last whole line then: the
//     folder is listed again once all are open, and a rename after that changes nothing. What the
//     server is still writing is for the next snapshot. A packed file is taken to its very end.
//   - A file that shrank, begins otherwise, or was written to without growing is an error.
//   - Nothing is left out silently. Lines that are no audit entries are kept and counted; a
//     file without any audit entry is refused, and so is one packed in an unknown way.
//   - No value leaves the log: warnings are numbers, counts are of paths, names and addresses. A
//     device that writes values or tokens in the clear is called out in a warning.
//   - Memory is bounded: one line (16 MiB at most), 4096 keys of each count, and one open file and at
//     most 64 KiB of counts for each of at most 4096 files.
package auditlog
