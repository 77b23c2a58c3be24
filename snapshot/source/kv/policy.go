package kv

// The rights that a Source needs and no more, as policies. MOUNT stands for the path of a mount; one
// of PolicyV1 and PolicyV2 is for each.
const (
	// Policy finds the mounts, reads the documents, and renews and revokes its own token. Who excludes
	// documents/auth.json and documents/policies needs none of the three lines that are for them.
	Policy = `path "sys/mounts" { capabilities = ["read"] }
path "sys/auth" { capabilities = ["read"] }
path "sys/policies/acl" { capabilities = ["list"] }
path "sys/policies/acl/*" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
`
	// PolicyV2 reads a mount of KV v2.
	PolicyV2 = `path "MOUNT/config" { capabilities = ["read"] }
path "MOUNT/metadata/*" { capabilities = ["list", "read"] }
path "MOUNT/data/*" { capabilities = ["read"] }
`
	// PolicyV1 reads a mount of KV v1.
	PolicyV1 = `path "MOUNT/*" { capabilities = ["list", "read"] }
`
)
