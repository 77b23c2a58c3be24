package config

// Repository says where snapshots are stored and how they are kept there.
type Repository struct {
	// The store: s3://bucket/prefix?region=…&endpoint=…&path_style=… (any S3-compatible service) or file:///absolute/path. Credentials for S3 come from the environment, a profile or the instance, never from here.
	URL string `yaml:"url" jsonschema:"required,minLength=1"`
	// Keeps every stored object from being deleted or overwritten for some days, by S3 Object Lock.
	Lock Lock `yaml:"lock"`
	// How long a writer that stopped answering keeps others from a vault. It renews its lease well before that.
	Lease Duration `yaml:"lease" jsonschema:"default=10m"`
}

// Lock is an Object Lock. The zero Lock locks nothing.
type Lock struct {
	// governance can be lifted by those with a special right, compliance by nobody.
	Mode string `yaml:"mode" jsonschema:"enum=governance,enum=compliance"`
	// Days from the time of storing.
	Days int `yaml:"days" jsonschema:"minimum=1,maximum=36500"`
}

// Keys says whom snapshots are encrypted to and whose signatures are trusted.
type Keys struct {
	// Whom snapshots are encrypted to: age1pq1…, age1…, ssh-ed25519 …, ssh-rsa …, a plugin's age1name1…, or file:PATH with one recipient a line. Post-quantum and classic recipients cannot be mixed.
	Recipients []RecipientRef `yaml:"recipients" jsonschema:"required,minItems=1"`
	// More recipients, whose identities lie offline for the day the others are lost. Written like recipients.
	Escrow []RecipientRef `yaml:"escrow"`
	// The file that holds this host's signing key and index identity. It opens no data of any snapshot.
	Host Path `yaml:"host" jsonschema:"default=host.key"`
	// Public keys of the hosts whose snapshots are believed, as name+hash+key. This host's own is always trusted.
	Trust []string `yaml:"trust"`
}

// Cache says where this host remembers which chunks are stored.
type Cache struct {
	// A folder for this user alone. Without it: holdfast in the user's cache folder.
	Dir Path `yaml:"dir"`
}

// Limits bound what a run uses.
type Limits struct {
	// Memory that the process tries to stay under.
	Memory Size `yaml:"memory" jsonschema:"default=200MiB"`
	// Bytes a second sent to the store, such as 20MiB/s. Without it, as fast as it goes.
	UploadRate Rate `yaml:"upload_rate"`
	// fastest costs about 2 % of size against default and saves half of its time.
	Compression string `yaml:"compression" jsonschema:"enum=fastest,enum=default,enum=better,default=fastest"`
}

// Report says what compliance reports are about.
type Report struct {
	// The organization that the report speaks of.
	Organization string `yaml:"organization"`
	// The system that the vaults belong to.
	System string `yaml:"system"`
	// The frameworks whose controls are assessed.
	Frameworks []string `yaml:"frameworks" jsonschema:"enum=soc2,enum=hipaa,enum=iso27001,enum=nist80053,enum=pci,enum=gdpr"`
}
