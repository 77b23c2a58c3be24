package kv

// The rights that a Target needs and no more, as policies. MOUNT stands for the path of a mount; one
// of PolicyV1 and PolicyV2 is for each. A rehearsal needs of them what reads.
const (
	// Policy finds the mounts, asks for its own rights, and renews and revokes its own token.
	Policy = `path "sys/mounts" { capabilities = ["read"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
`
	// PolicyV2 writes to a mount of KV v2. Deleting metadata is for taking back and for Replace.
	PolicyV2 = `path "MOUNT/config" { capabilities = ["read"] }
path "MOUNT/data/*" { capabilities = ["create", "update", "read"] }
path "MOUNT/metadata/*" { capabilities = ["create", "update", "read", "delete"] }
path "MOUNT/delete/*" { capabilities = ["update"] }
path "MOUNT/destroy/*" { capabilities = ["update"] }
`
	// PolicyV1 writes to a mount of KV v1.
	PolicyV1 = `path "MOUNT/*" { capabilities = ["create", "update", "read", "delete"] }
`
	// PolicyCreate makes a mount, and removes it if the load fails. It comes on top of the others.
	PolicyCreate = `path "sys/mounts/MOUNT" { capabilities = ["create", "update", "delete"] }
path "MOUNT/config" { capabilities = ["create", "update", "read"] }
`
)
