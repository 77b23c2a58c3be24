package postgres

import (
	"strings"
	"time"
)

// The streams of a dump, in the order in which psql would take them: PreData, the parts of every
// table, Sequences, PostData. The parts of a table may be opened in any order at the source;
// by name they are in the order in which to load them.
const (
	PreData   = "schema/pre-data.sql"  // types, functions, tables; its facts are Facts
	Sequences = "schema/sequences.sql" // one setval a sequence
	PostData  = "schema/post-data.sql" // keys, indexes, triggers, policies

	FormatSQL  = "sql"
	FormatCopy = "postgres-copy" // text COPY in UTF-8; the facts of each such stream are a Part
)

// Facts are what a dump says of where it came from, kept with the stream PreData.
type Facts struct {
	Origin  Origin `json:"origin"`
	Version int    `json:"version"` // server_version_num
	Client  string `json:"client"`  // version of the pg_dump that wrote the schema

	Database string `json:"database"`
	Encoding string `json:"encoding"`
	Collate  string `json:"collate"`
	CType    string `json:"ctype"`
	Provider string `json:"provider,omitempty"` // of the collation: libc, icu, builtin
	Locale   string `json:"locale,omitempty"`   // of an icu or builtin provider

	Selection  Selection   `json:"selection"`
	Extensions []Extension `json:"extensions,omitempty"`
	Roles      []string    `json:"roles,omitempty"`       // that owners, grants and policies name
	Spaces     []string    `json:"tablespaces,omitempty"` // that objects name
	Views      []View      `json:"materialized_views,omitempty"`
	Outside    []Outside   `json:"outside,omitempty"`

	Sequences int       `json:"sequences"` // how many
	Tables    int       `json:"tables"`    // with rows of their own: ordinary tables and leaf partitions
	FullAt    time.Time `json:"full_at"`   // when every row was last read
}

// An Origin is one history of one database, and a point in it.
type Origin struct {
	System   string    `json:"system"`   // pg_control_system's identifier
	Timeline int64     `json:"timeline"` // of the last checkpoint
	Started  time.Time `json:"started"`  // the server process
	Reset    time.Time `json:"reset"`    // when its statistics began, which a crash makes them do anew
	Standby  bool      `json:"standby,omitempty"`
	Database uint32    `json:"database"` // oid
	Xmin     uint64    `json:"xmin"`     // of the dump's MVCC snapshot, 64 bits wide
	Xmax     uint64    `json:"xmax"`
	LSN      string    `json:"lsn"`
}

// A Selection is what was asked for. All empty: the whole database.
type Selection struct {
	Tables  []string `json:"tables,omitempty"`
	Schemas []string `json:"schemas,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

// Whole reports whether nothing was picked out.
func (s Selection) Whole() bool { return len(s.Tables) == 0 && len(s.Schemas) == 0 }

// An Extension has to be available where the dump is restored.
type Extension struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Schema  string `json:"schema"`
}

// A View is materialized; a restore refreshes those that were populated, in the order given.
type View struct {
	Schema    string `json:"schema"`
	Name      string `json:"name"`
	Populated bool   `json:"populated"`
}

// Outside is a foreign key from a table of the dump to one that is not in it.
type Outside struct {
	Schema     string `json:"schema"`
	Table      string `json:"table"`
	Constraint string `json:"constraint"`
	ToSchema   string `json:"to_schema"`
	ToTable    string `json:"to_table"`
}

// A Part is a range of the rows of one table: all of them, those of some pages, or those between
// two values of a rising key.
type Part struct {
	Schema  string   `json:"schema"`
	Table   string   `json:"table"`
	Columns []string `json:"columns"` // in COPY's order; none: a table without columns
	// Generated and identity columns are like this in a dump: stored generated ones are not in
	// Columns, identity ones are.
	Order  string `json:"order"`          // "ctid", or the key column that rows are ordered by
	From   string `json:"from,omitempty"` // included; empty: from the first
	To     string `json:"to,omitempty"`   // excluded; empty: to the last
	Digest Digest `json:"digest"`         // of the rows, whatever their order

	Relation Relation `json:"relation"`
}

// A Relation is what must be the same for the rows of a part to be the same without reading them.
type Relation struct {
	OID        uint32 `json:"oid"`
	File       uint32 `json:"file"`       // relfilenode
	Definition string `json:"definition"` // digest of columns, types, labels, extension versions
}

// PartName names the stream of a part. The label sorts parts of a table in the order to load them.
func PartName(schema, table, label string) string {
	return "data/" + escape(schema) + "/" + escape(table) + "/" + label
}

// escape writes an identifier as one element of a path: letters, digits, _ and - as they are, every
// other byte as %XX. Long ones stay unique, since identifiers have 63 bytes at most.
func escape(name string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
