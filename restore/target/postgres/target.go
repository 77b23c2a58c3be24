package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/postgres/link"
)

// A Target restores a dump of tables, schemas or a whole database into the database of Server.
// The zero value of every other field is the careful choice.
type Target struct {
	Server      *link.Server // of the database to restore into; with Create: to be made
	Only        []string     // patterns of table or schema.table, as the source has them; empty: everything
	Schema      string       // put the one schema of the dump under this name, which nothing may have; empty: under its own
	Replace     bool         // tables that are there give way; with Create: the database does. Nothing that is not in the dump is dropped
	Create      bool         // make the database, and give it its name when it is whole: faster, since several sessions load it
	SkipMissing bool         // leave out owners, grants and foreign keys that need what is not there
	Rehearse    bool         // load all of it, then keep nothing
	Workers     int          // connections that load into a database that is made; 0: 2
	Program     string       // pg_dump, to compare definitions with; empty finds one
	Progress    snapshot.Progress
	Log         *slog.Logger // nil discards
}

var _ restore.Target = (*Target)(nil)

// ErrNoMatch means that nothing in the dump matches Only.
var ErrNoMatch = errors.New("nothing matches")

// ErrDiffers means that what was loaded, read back, is not what was dumped.
var ErrDiffers = errors.New("what was loaded differs from the dump")

// Load restores d, reads it back, and makes it visible all at once: by one COMMIT, or with
// Create by giving the database its name. After any error the server is as it was.
func (t *Target) Load(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	loaded, err := t.load(ctx, d)
	// Some who are interrupted say what they saw of it, not why.
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) && !errors.Is(err, ErrUnknown) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("%s: %w", t.Server, err) // restore.Run says what was being done
	}
	loaded.Place = t.Server.String()
	return loaded, nil
}
