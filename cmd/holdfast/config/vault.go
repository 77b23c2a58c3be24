package config

// The kinds of vault.
const (
	KindPostgres = "postgres"
	KindSQLite   = "sqlite"
	KindFiles    = "files"
	KindRaft     = "raft"
	KindKV       = "kv"
)

// Kinds lists every kind of vault, in the order that messages name them.
func Kinds() []string { return []string{KindPostgres, KindSQLite, KindFiles, KindRaft, KindKV} }

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

// Raft is the integrated storage of a HashiCorp Vault or OpenBao cluster.
type Raft struct {
	// Any node of the cluster, as https://host:8200. The leader is found from there.
	Address string `yaml:"address" jsonschema:"required,minLength=1"`
	// How to log in.
	Auth Auth `yaml:"auth" jsonschema:"required"`
	// Certificates that the server's must come from. Without it, the system's.
	CAFile Path `yaml:"ca_file"`
	// How long one download may take.
	Timeout Duration `yaml:"timeout" jsonschema:"default=1h"`
}

// KV is the secrets of KV engines, read one by one.
type KV struct {
	// Any node of the cluster, as https://host:8200.
	Address string `yaml:"address" jsonschema:"required,minLength=1"`
	// How to log in.
	Auth Auth `yaml:"auth" jsonschema:"required"`
	// Certificates that the server's must come from. Without it, the system's.
	CAFile Path `yaml:"ca_file"`
	// The namespace that mounts are in.
	Namespace string `yaml:"namespace"`
	// The KV mounts to keep. Without them: every KV mount that the login may list.
	Mounts []string `yaml:"mounts"`
	// How long one request may take.
	Timeout Duration `yaml:"timeout" jsonschema:"default=1m"`
}

// Auth is a login at a HashiCorp Vault or OpenBao server.
type Auth struct {
	// token is for trying out; approle and kubernetes log in anew for each run.
	Method string `yaml:"method" jsonschema:"required,enum=token,enum=approle,enum=kubernetes"`
	// For token: env:NAME or file:PATH.
	Token Secret `yaml:"token"`
	// For approle.
	RoleID Secret `yaml:"role_id" secret:"inline"`
	// For approle: env:NAME or file:PATH.
	SecretID Secret `yaml:"secret_id"`
	// For kubernetes: the role to log in as.
	Role string `yaml:"role"`
	// For kubernetes: the service account's token.
	JWTFile Path `yaml:"jwt_file"`
	// Where the login method is mounted, if not under its own name.
	Mount string `yaml:"mount"`
}
