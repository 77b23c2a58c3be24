package postgres

import (
	"errors"

	"holdfast/snapshot"
	"holdfast/snapshot/source/postgres/script"
)

var (
	// ErrClientTooOld means that no pg_dump is there which can read this server: one of an older
	// major version writes schemas that are wrong or empty.
	ErrClientTooOld = script.ErrClientTooOld
	// ErrEmpty means that no table was selected, or that there is none.
	ErrEmpty = snapshot.ErrEmpty
	// ErrServerTooOld means a server before PostgreSQL 12.
	ErrServerTooOld = errors.New("the server is older than PostgreSQL 12")
	// ErrDenied means that the role lacks rights on something that was selected.
	ErrDenied = errors.New("access denied")
	// ErrFiltered means that row-level security would hide rows from the role.
	ErrFiltered = errors.New("row-level security would hide rows")
	// ErrNoSuchTable means that something that was asked for by name is not there.
	ErrNoSuchTable = errors.New("not in the database")
	// ErrUnsupported means that the selection has something that cannot be dumped, or not alone.
	ErrUnsupported = errors.New("cannot be dumped")
	// ErrGaveWay means that the application waited for the dump, which ended itself.
	ErrGaveWay = errors.New("gave way to the application")
	// ErrIndex means that the index by which a table is read does not have all of its rows.
	ErrIndex = errors.New("an index is damaged")
	// ErrChanged means that tables or types were altered while they were being read.
	ErrChanged = errors.New("the definition of tables changed during the dump")
)
