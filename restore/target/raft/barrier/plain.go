package barrier

// plainKeys are the keys of entries that a server does not encrypt with its keyring. It reads them while
// it is sealed, or needs none of its own secrets for them.
var plainKeys = map[string]bool{
	"core/cluster/local/name":       true, // the cluster's name
	"core/lock":                     true, // who is active
	sealConfigKey:                   true, // kind of seal, shares and threshold
	sealedKeysKey:                   true, // the root key, encrypted by a seal that is not in use any more
	"core/seal-gen-info":            true, // which seals there are
	"core/seal-initialization-flag": true,
	"core/hsm/iv":                   true,
	"core/recovery-config":          true, // shares and threshold of the recovery key, and that key under the seal
	"core/recovery-seal-config":     true,
	"core/recovery-key":             true,
	"core/unseal-keys-backup":       true, // shares that a rekey encrypted to the operators' PGP keys
	"core/recovery-keys-backup":     true,
}
