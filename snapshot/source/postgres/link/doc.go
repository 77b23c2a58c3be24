// Package link connects to a PostgreSQL server, in one way for every driver and program that
// Holdfast uses.
//
// A connection string is read once, by Parse, with libpq's rules: a URL or pairs, filled in by
// services, the environment and the password file. What comes out feeds all three users: this
// package's own sessions (Server.Connect), database/sql (Server.DB) and libpq's programs
// (Server.Environ). The first two share one login, by pgconn; lib/pq takes over a session that is
// already logged in, so TLS, channel binding and required methods of authentication hold for it too.
// Several hosts are narrowed to one by Server.Resolve, since a snapshot that one server exported
// means nothing to another.
//
// A Conn speaks the protocol itself after the login. One COPY goes: CopyOut sends the statement,
// the frame reader takes CopyData from a descriptor in blocking mode in reads of up to 256 KiB, and
// passes the rows on in as large writes; it returns their number only after the server has said
// the same number and is ready for the next statement. A stream cut anywhere is an error.
//
// Guaranteed: no session is set up behind a pooler that would hand it on to the application; a context that ends cancels the statement at the server and closes the session; no
// secret, and no value of a row, is part of any error; a server that is gone is noticed within about
// a minute.
package link
