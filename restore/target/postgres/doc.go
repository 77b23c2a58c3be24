// Package postgres restores dumps of PostgreSQL vaults, checks them without a server, and compares
// two of them.
//
// The path of one restore: restore.Run calls Target.Preflight, which asks the server for everything
// that stands in the way and names it at once. Target.Load reads the scripts (plan), picks what
// Only asks for, and loads into the database that is there in one transaction, or with Create into
// a new one by several connections at a time:
//
//	Preflight → plan → types, functions, tables → COPY of each part → sequences
//	          → indexes, keys, triggers → rows and sequences read back and compared → COMMIT or RENAME
//
// What it guarantees: nothing is visible before every stream came to io.EOF and what was loaded,
// read back by COPY, has the rows and digests of the dump; after any error the server is as it was;
// a rehearsal does all of that and keeps nothing. No table that is there is overwritten without
// Replace, and nothing that is not in the dump is dropped with it, but for a table's own indexes, triggers and
// the like, which are noted; a table that others depend on stays and is emptied, a sequence that others
// use does not go back. No error or note holds a value of a row.
//
// Tables that are replaced are locked until the load is over, in a rehearsal, too: nobody can read them meanwhile.
// The load itself waits half a minute for a lock and no longer, since all others wait behind it.
//
// What a dump has not, since it belongs to the server or the database and not into it: roles and
// their passwords, tablespaces, the settings and grants of the database itself. Preflight names the
// roles, tablespaces and extensions that are missing. SkipMissing goes on without what needs roles,
// or tables outside of the dump, that are not there.
//
// Checker proves the structure of a dump while it streams by: whole statements, rows of the right
// shape in the right number, tables that have all their parts. Diff compares two dumps and reads
// only the parts whose rows differ.
//
// Files: target.go, load*.go (one transaction), create*.go (a new database), replace*.go (what
// gives way), verify*.go (reading back), preflight*.go, check*.go, diff*.go.
package postgres
