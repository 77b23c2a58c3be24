package config

// The kinds of vault.
const (
	KindPostgres = "postgres"
	KindSQLite   = "sqlite"
	KindFiles    = "files"
	KindRaft     = "raft"
	KindKV       = "kv"
	KindAuditLog = "auditlog"
)

// Kinds lists every kind of vault, in the order that messages name them.
func Kinds() []string {
	return []string{KindPostgres, KindSQLite, KindFiles, KindRaft, KindKV, KindAuditLog}
}

// A Vault is something protected. Of the kinds' own settings exactly one is not nil: that
// of Kind.
type Vault struct {
	Name string
	Kind string
	VaultCommon

	Postgres *Postgres
	SQLite   *SQLite
	Files    *Files
	Raft     *Raft
	KV       *KV
	AuditLog *AuditLog
}

// VaultCommon is what vaults of every kind have.
type VaultCommon struct {
	// Who answers for this vault; shown in reports and alerts.
	Owner string `yaml:"owner"`
	// How much depends on this vault, 1 the most.
	Tier int `yaml:"tier" jsonschema:"minimum=1,maximum=5"`
	// What a disaster may cost at most; status and reports measure against it.
	Objectives Objectives `yaml:"objectives"`
	// Where the vault itself records who read what, for access reviews.
	Audit Audit `yaml:"audit"`
	// Put into every manifest of this vault, in the clear.
	Tags map[string]string `yaml:"tags"`
}

// Objectives are what was promised. What was measured is called RPA and RTA.
type Objectives struct {
	// The most data, as time since the last verified snapshot, that may be lost.
	RPO Duration `yaml:"rpo"`
	// The longest that a restore may take.
	RTO Duration `yaml:"rto"`
}

// Audit says where a vault's own audit trail is.
type Audit struct {
	// A table or stream of the vault's own dump.
	Table string `yaml:"table"`
	// An audit device's log on this host.
	File Path `yaml:"file"`
	// Which columns mean what, by the name of a known application.
	Preset string `yaml:"preset" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$"`
}

// Postgres is a vault in a PostgreSQL database.
type Postgres struct {
	// The connection, as URL or key=value text. With a password in it: env:NAME or file:PATH.
	URL Secret `yaml:"url" jsonschema:"required" secret:"inline"`
	// The tables of a known application, in place of naming them: php-vault has vault_secrets and vault_audit, hashicorp-vault the PostgreSQL storage of HashiCorp Vault.
	Preset string `yaml:"preset" jsonschema:"enum=php-vault,enum=hashicorp-vault"`
	// The tables to keep, as table or schema.table; * and ? stand for others. A missing one is a failure. Without tables and schemas: all of the database.
	Tables []string `yaml:"tables"`
	// The schemas to keep whole.
	Schemas []string `yaml:"schemas"`
	// Tables to leave out, as table or schema.table; * and ? stand for others.
	Exclude []string `yaml:"exclude"`
	// How many connections read rows at once.
	Connections int `yaml:"connections" jsonschema:"minimum=1,maximum=16,default=2"`
	// How long to wait for a lock, and how long to let others wait for one of ours, before giving up.
	LockTimeout Duration `yaml:"lock_timeout" jsonschema:"default=30s"`
	// How often every row is read, although nothing says that it changed.
	FullEvery Duration `yaml:"full_every" jsonschema:"default=7d"`
	// The pg_dump to use, as new as the server or newer. Without it: the newest that is installed.
	PgDump Path `yaml:"pg_dump"`
}

// presets are the tables of known applications.
var presets = map[string][]string{
	"php-vault":       {"vault_secrets", "vault_audit"},
	"hashicorp-vault": {"vault_kv_store", "vault_ha_locks"},
}

// SQLite is a vault in one SQLite file.
type SQLite struct {
	// The database file.
	Path Path `yaml:"path" jsonschema:"required,minLength=1"`
	// How long to wait for another process's lock.
	BusyTimeout Duration `yaml:"busy_timeout" jsonschema:"default=5s"`
}

// Files is a folder, or a single file, kept as a deterministic tar.
type Files struct {
	// The folder or file.
	Path Path `yaml:"path" jsonschema:"required,minLength=1"`
	// Patterns of what to leave out, relative to path.
	Exclude []string `yaml:"exclude"`
	// What a file that keeps changing while it is read means: the snapshot fails, or it holds a warning.
	OnChange string `yaml:"on_change" jsonschema:"enum=fail,enum=warn,default=fail"`
}

// AuditLog is what an audit device of HashiCorp Vault or OpenBao writes: JSON lines.
type AuditLog struct {
	// The file that the device writes. What a rotation left beside it, as PATH.1, PATH-20261122.gz and so on, is kept too.
	Path Path `yaml:"path" jsonschema:"required,minLength=1"`
}
