// Package script has the definitions of a database as pg_dump writes them: taken from a server,
// cut into entries, and told apart by what needs what.
//
// The path of one call: Dump runs pg_dump on an exported snapshot, Parse cuts its text into
// entries, Resolve asks the catalogue what needs what, Pick keeps what was selected, and WriteTo
// stores it. On the way back Parse reads the stored form and Entry.Statements gives what to
// execute.
//
//	Dump → Parse → Resolve → Pick → Script.WriteTo … Parse → Pick, WithoutRoles → Entry.Statements
//
// The stored form is pg_dump's own plain text, and psql takes it as it is. What differs from one
// run to the next is left out (dates, \restrict, catalogue numbers), so that equal definitions give
// equal bytes; the header of each entry has one line more:
//
//	-- Entry 12 of 7 needs 3 7
//
// says that this is entry 12, that it is a part of entry 7 (the index of a table, say) and
// that entries 3 and 7 must be there first. Numbers run through both scripts of a dump.
//
// What it guarantees: a dump that pg_dump did not bring to its last line is an error, whatever its
// exit code; text within quotes, dollar quotes, comments and bodies of functions is never taken for
// the end of a statement or the beginning of an entry; Parse(WriteTo(s)) is s. What it cannot know
// is what the body of a function in PL/pgSQL or another language refers to, since the server does
// not know it either.
package script
