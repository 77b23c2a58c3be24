package config

// Cluster is how a HashiCorp Vault or OpenBao cluster is reached and logged in to.
type Cluster struct {
	// Any node of the cluster, as https://host:8200. The leader is found from there.
	Address string `yaml:"address" jsonschema:"required,minLength=1"`
	// More nodes, to be asked where that one does not answer.
	Addresses []string `yaml:"addresses"`
	// How to log in.
	Auth Auth `yaml:"auth" jsonschema:"required"`
	// The namespace to log in to and read from.
	Namespace string `yaml:"namespace"`
	// Certificates that the server's must come from. Without it, the system's.
	CAFile Path `yaml:"ca_file"`
	// A certificate of our own to show to the server.
	CertFile Path `yaml:"cert_file"`
	// The key of cert_file.
	KeyFile Path `yaml:"key_file"`
	// The name that the server's certificate must have, if it is not that of the address.
	ServerName string `yaml:"server_name"`
}

// All lists every address of the cluster that the file names.
func (c Cluster) All() []string { return append([]string{c.Address}, c.Addresses...) }

// Raft is the integrated storage of a HashiCorp Vault or OpenBao cluster.
type Raft struct {
	Cluster
	// How long one download may take.
	Timeout Duration `yaml:"timeout" jsonschema:"default=1h"`
	// How to rehearse a restore into a server of its own.
	Drill RaftDrill `yaml:"drill"`
}

// RaftDrill says how the restore of a Raft snapshot is rehearsed.
type RaftDrill struct {
	// The vault or bao to start. Without it: the one that is found in PATH.
	Program Path `yaml:"program"`
	// Where to make the private folder of the server. Without it: the system's folder for temporary files.
	Dir Path `yaml:"dir"`
	// The unseal shares of the snapshot's cluster, a line each. They open everything, so never on a host that takes snapshots.
	Shares Secret `yaml:"shares"`
	// Secrets that must read the same after the restore.
	Canaries []Canary `yaml:"canaries"`
}

// Canary is a secret whose value is known by its salted hash.
type Canary struct {
	// Mount and path, such as secret/app/db.
	Path string `yaml:"path" jsonschema:"required,minLength=1"`
	// The field of it that is looked at.
	Field string `yaml:"field" jsonschema:"required,minLength=1"`
	// What `holdfast drill --hash` prints for its value.
	Hash string `yaml:"hash" jsonschema:"required,minLength=1"`
}

// KV is the secrets of KV engines, read one by one.
type KV struct {
	Cluster
	// The KV mounts to keep. Without them: every KV mount that the login may list.
	Mounts []string `yaml:"mounts"`
	// What to leave out, as MOUNT/PATH or documents/NAME; * and ? stand for others, ** for any folders.
	Exclude []string `yaml:"exclude"`
	// How many requests are under way at once.
	Connections int `yaml:"connections" jsonschema:"minimum=1,maximum=64,default=4"`
	// How many requests are sent in a second at most. Without it, as fast as they are answered.
	RequestsPerSecond int `yaml:"requests_per_second" jsonschema:"minimum=1"`
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
	// For approle, in place of secret_id: the token that a response-wrapped secret id is fetched with, once. env:NAME or file:PATH.
	WrappedSecretID Secret `yaml:"wrapped_secret_id"`
	// For kubernetes: the role to log in as.
	Role string `yaml:"role"`
	// For kubernetes: the service account's token.
	JWTFile Path `yaml:"jwt_file"`
	// Where the login method is mounted, if not under its own name.
	Mount string `yaml:"mount"`
}
