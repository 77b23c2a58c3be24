// Package postgres reads PostgreSQL databases: Source dumps tables, schemas or a whole database while
// applications write to it. The streams it writes and their facts are in format.go; Tally recounts rows.
//
// # The path of one dump
//
//	Source.Dump → look (what is selected, may it be read) → begin (lock, then pin a snapshot)
//	  → run.prepare: describe, define, plan → run.stream:
//	      writeDefinitions: script.Dump, sequences
//	      writeRows: markUnchanged, Carrier.Carry, part.read → link.Conn.CopyOut → StreamWriter, recount
//	  → run.settle → Seal of the pre-data with Facts
//
// Nothing is written before the server's version, pg_dump's version, the role's rights and the
// selection have been looked at. Then one transaction, the leader's, locks the selected tables and exports
// its snapshot; pg_dump and the workers import it, so all streams show one instant. Rows are read by
// COPY, part by part, by several workers; a Digest and a count go with each part.
//
// # What it guarantees
//
//   - Every row of every selected table is in the dump, or Dump returns an error: a table asked for
//     by name that is not there, one that the role may not read or of which row-level security would hide rows, a
//     foreign table, a large object, a partition without its parent, a view without its table. Each
//     error names all that is affected.
//   - Tables are locked before the snapshot is taken. So no table can be truncated, rewritten or altered
//     between the instant that the dump shows and the end of its reading. What no lock
//     prevents, altering an enum or renaming a schema, is found at the end and is an error.
//   - Rows that are read by an index are counted in the heap too: an index that lost some is an error.
//   - The application is not hurt: ACCESS SHARE locks alone, no sort of a table, no parallel query, and when any
//     session has waited for the dump for LockTimeout, the dump ends its sessions and matches ErrGaveWay.
//   - Memory is bounded by what the streams keep. Nothing is written to a disk here, and rows are in no error.
//
// # What it asks of the server
//
// PostgreSQL 12 or newer, reached without a pooler or through one that hands out whole sessions,
// three connections more than Workers, and a role with these rights, which need
// nothing else:
//
//	CREATE ROLE holdfast LOGIN PASSWORD '...';
//	GRANT CONNECT ON DATABASE app TO holdfast;
//	GRANT USAGE ON SCHEMA public TO holdfast;
//	GRANT SELECT ON ALL TABLES IN SCHEMA public TO holdfast;
//	GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO holdfast;
//	ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES TO holdfast;
//	ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON SEQUENCES TO holdfast;
//
// Where policies filter rows it needs BYPASSRLS. From PostgreSQL 14 on, membership in pg_read_all_data
// stands for all grants but CONNECT. Subscriptions are dumped for superusers alone, which pg_dump warns of. A
// standby serves as well, except that unlogged tables have no rows there.
//
// # Selections
//
// Tables and Exclude take "table" or "schema.table", Schemas take "schema", with * and ?; names in double
// quotes stand for themselves. A table brings its partitions and children, and the types, functions, sequences and
// schemas that it needs. Exclude removes relations of any kind; "large objects" has a whole database
// dumped without them. A foreign key to a table outside stays in the definitions, is listed in Facts.Outside
// and warned of.
//
// # Order and parts
//
// Rows come in the order of a key that rises as rows are added, if there is one, and otherwise
// in that of the heap, so that a new row moves no other to another chunk. Parts are cells of a grid that lies on
// the key's values, or on page numbers, and not on the rows: a table that grows gets new parts at its end,
// and the boundaries of the others stay.
//
// # Unchanged parts are not read
//
// Let S0 be the snapshot of the earlier dump, S1 that of this one, and P the condition that makes a
// part: a range of a key or of pages. A part is carried over if, counted in S1, as many live rows satisfy P
// as the earlier dump has in the part, and none of them has an xmin at or after S0's xmin. Then the rows are
// the same, because:
//
//  1. A row version never changes. UPDATE makes a new version with a new xmin, HOT or not; locks, hint
//     bits and freezing change none of its values. Whether it satisfies P does not change either.
//  2. A version that S1 sees was inserted by a transaction that committed. If its xmin is before S0's
//     xmin, that transaction had ended when S0 was taken, so S0 saw the insert. The same holds for a subtransaction, whose id
//     is above its parent's, and for a prepared one, which counts as running.
//  3. Who deleted a version as S0 saw it deleted it as S1 sees it. So S0 saw every version that S1
//     sees and that is that old: those counted now are a subset of those dumped then.
//  4. A subset with as many members is the whole.
//
// Each condition on the way excludes something:
//
//   - The same system identifier, timeline, database, server process, standby or not: another
//     history, in which ids stand for other transactions. A restart ends the process.
//   - The same beginning of the server's statistics: a crash of one of its processes, after which the server goes on
//     without restarting, loses commits that were not flushed, and gives their ids again. It also resets the statistics.
//   - A position in the log, an xmin and an xmax that are not before the earlier ones: a server
//     that was set back.
//   - Less than 2^30 transactions in between: xmin has 32 bits and is compared as a circle. Rows that
//     were frozen long ago may look new by it; their part is then read for nothing.
//   - The same oid and file: a table of the same name, TRUNCATE, VACUUM FULL, CLUSTER and ALTER TABLE with a
//     rewrite, which move rows to other pages.
//   - The same definition: columns, types down to labels and attributes, missing values of columns added
//     with a default, versions of extensions. They decide how the same bytes come out as text. Where
//     more than that decides (regclass and its like, types of unknown extensions), and where another table
//     access method keeps the rows, a table is always read.
//
// What cannot be seen from inside the server: a virtual machine or a file system that was set back to
// an earlier state without the server's noticing, and pages changed by hand (pg_surgery). Against these stand
// Full, FullEvery, after which every row is read again, and every drill, which compares rows.
package postgres
