package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"holdfast/cmd/holdfast/config"
	"holdfast/restore"
	auditlogtarget "holdfast/restore/target/auditlog"
	filestarget "holdfast/restore/target/files"
	kvtarget "holdfast/restore/target/kv"
	postgrestarget "holdfast/restore/target/postgres"
	rafttarget "holdfast/restore/target/raft"
	sqlitetarget "holdfast/restore/target/sqlite"
	"holdfast/snapshot"
	"holdfast/snapshot/source/auditlog"
	"holdfast/snapshot/source/files"
	"holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
	"holdfast/snapshot/source/sqlite"
)

// This file is the only place that knows every kind of vault.

// Errors of the adapters that exit.go has a code or a hint for.
var (
	errVaultLocked   = sqlite.ErrLocked
	errVaultEmpty    = sqlite.ErrEmpty
	errFolderEmpty   = files.ErrEmpty
	errFileChanged   = files.ErrChanged
	errTargetInUse   = sqlitetarget.ErrInUse
	errTargetForeign = sqlitetarget.ErrNotDatabase
	errNothingChosen = filestarget.ErrNoMatch

	errNoPgDump      = script.ErrNoClient
	errOldPgDump     = script.ErrClientTooOld
	errTablesDenied  = postgres.ErrDenied
	errRowsHidden    = postgres.ErrFiltered
	errNoSuchTable   = postgres.ErrNoSuchTable
	errGaveWay       = postgres.ErrGaveWay
	errTablesAltered = postgres.ErrChanged
	errIndexLacks    = postgres.ErrIndex
	errPooled        = link.ErrPooled
	errNotAlone      = postgres.ErrUnsupported
	errServerTooOld  = postgres.ErrServerTooOld
	errServerLost    = link.ErrLost
	errTargetTooOld  = postgrestarget.ErrTooOld
	errTargetLacks   = postgrestarget.ErrMissing
	errTargetDenied  = postgrestarget.ErrRights
	errEncoding      = postgrestarget.ErrEncoding
	errNoTableChosen = postgrestarget.ErrNoMatch
	errCommitUnknown = postgrestarget.ErrUnknown
)

// sqlState matches what a database server refuses with this code.
func sqlState(code string) func(error) bool {
	return func(err error) bool {
		e := (*link.Error)(nil)
		return errors.As(err, &e) && e.Code == code
	}
}

// A reading says how a vault is read.
type reading struct {
	full bool // every row, although nothing says that it changed
	log  *slog.Logger
}

// source builds the source of a configured vault.
func source(v *config.Vault, r reading) (snapshot.Source, error) {
	switch v.Kind {
	case config.KindPostgres:
		server, err := database(v)
		if err != nil {
			return nil, err
		}
		p := v.Postgres
		return &postgres.Source{Server: server, Selection: postgres.Selection{Tables: p.Tables, Schemas: p.Schemas, Exclude: p.Exclude},
			Full: r.full, FullEvery: p.FullEvery.Std(), Workers: p.Connections, Program: string(p.PgDump),
			LockTimeout: p.LockTimeout.Std(), Log: r.log}, nil
	case config.KindSQLite:
		return &sqlite.Source{Path: string(v.SQLite.Path), BusyTimeout: v.SQLite.BusyTimeout.Std()}, nil
	case config.KindFiles:
		return &files.Source{Path: string(v.Files.Path), Exclude: v.Files.Exclude, OnChange: v.Files.OnChange}, nil
	case config.KindRaft:
		return raftSource(v, r.log), nil
	case config.KindKV:
		return kvSource(v, r.log), nil
	case config.KindAuditLog:
		return &auditlog.Source{Path: string(v.AuditLog.Path), Log: r.log}, nil
	}
	return nil, unknownKind(v.Kind)
}

func unknownKind(kind string) error {
	return misuse(fmt.Errorf("this version cannot read or write vaults of kind %q", kind))
}

// A preflighter is a source that can tell, without dumping, whether it could.
type preflighter interface {
	Preflight(ctx context.Context) (warnings []string, err error)
}

// database is the server and the database of a configured vault.
func database(v *config.Vault) (*link.Server, error) {
	dsn, err := v.Postgres.URL.Resolve()
	if err != nil {
		return nil, err
	}
	return parseDatabase(v.Postgres.URL.Field(), dsn)
}

// parseDatabase reads a connection string that stands in what.
func parseDatabase(what, dsn string) (*link.Server, error) {
	server, err := link.Parse(dsn)
	if err != nil {
		return nil, &usage{message: fmt.Sprintf("%s: %v", what, err), cause: err,
			hint: "write postgres://user@host/database?sslmode=verify-full&sslrootcert=FILE, or name=value pairs, as for psql"}
	}
	return server, nil
}

// whereIs names the place of a vault for people: its server, or its path.
func whereIs(v *config.Vault) string {
	switch v.Kind {
	case config.KindRaft:
		return cluster(&v.Raft.Cluster, nil).String()
	case config.KindKV:
		return cluster(&v.KV.Cluster, nil).String()
	case config.KindPostgres:
		if server, err := database(v); err == nil {
			return server.String()
		}
		return v.Kind
	}
	path, err := home(v.Kind, v)
	if err != nil {
		return v.Kind
	}
	return path
}

// checkers prove the structure of dumps, by kind.
func checkers() map[string]restore.Checker {
	return map[string]restore.Checker{
		config.KindPostgres: postgrestarget.Checker{},
		config.KindSQLite:   sqlitetarget.Checker{},
		config.KindFiles:    filestarget.Checker{},
		config.KindRaft:     rafttarget.Checker{},
		config.KindKV:       kvtarget.Checker{},
		config.KindAuditLog: auditlogtarget.Checker{},
	}
}

// A destination is the target of a restore, chosen.
type destination struct {
	target restore.Target
	name   string // for people
	path   string // on this host; empty for servers
}

// target builds the target of a restore of kind.
func target(kind string, v *config.Vault, p place) (destination, error) {
	if err := p.fits(kind); err != nil {
		return destination{}, err
	}
	switch kind {
	case config.KindPostgres:
		return postgresTarget(v, p)
	case config.KindRaft:
		return raftTarget(v, p)
	case config.KindKV:
		return kvTarget(v, p)
	}
	to, err := p.path(kind, v)
	if err != nil {
		return destination{}, err
	}
	switch kind {
	case config.KindSQLite:
		if err := p.wholeStream(); err != nil {
			return destination{}, err
		}
		return destination{&sqlitetarget.Target{Path: to, Replace: p.replace, Rehearse: p.rehearse}, to, to}, nil
	case config.KindFiles:
		return destination{&filestarget.Target{Path: to, Only: p.only, Replace: p.replace, Rehearse: p.rehearse}, to, to}, nil
	case config.KindAuditLog:
		return destination{&auditlogtarget.Target{Path: to, Only: p.only, Replace: p.replace, Rehearse: p.rehearse}, to, to}, nil
	}
	return destination{}, unknownKind(kind)
}

func postgresTarget(v *config.Vault, p place) (destination, error) {
	server, err := p.database(v)
	if err != nil {
		return destination{}, err
	}
	t := &postgrestarget.Target{Server: server, Only: p.only, Schema: p.schema, Replace: p.replace, Create: p.create,
		SkipMissing: p.skipMissing, Rehearse: p.rehearse, Progress: p.progress, Log: p.log}
	if v != nil && v.Postgres != nil {
		t.Program = string(v.Postgres.PgDump)
	}
	return destination{target: t, name: server.String()}, nil
}

// differs find what changed inside dumps, by kind.
func differs() map[string]restore.Differ {
	return map[string]restore.Differ{
		config.KindPostgres: postgrestarget.Diff,
		config.KindSQLite:   sqlitetarget.Diff,
		config.KindFiles:    filestarget.Diff,
		config.KindRaft:     rafttarget.Diff,
		config.KindKV:       kvtarget.Diff,
		config.KindAuditLog: auditlogtarget.Diff,
	}
}
