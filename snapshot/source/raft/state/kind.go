package state

import "strings"

// The kinds that entries are counted by. Kinds may be added, so anyone who reads a census has
// to live with others.
const (
	KindCore       = "core"        // mount tables, keyring, seal, cluster
	KindPolicy     = "policy"      // one entry a policy, password policies and those of a namespace too
	KindToken      = "token"       // one entry a service token; batch tokens are nowhere stored
	KindTokenIndex = "token index" // tokens by accessor and by parent
	KindLease      = "lease"       // one entry a lease, those of tokens included
	KindLeaseIndex = "lease index" // leases by token
	KindCounter    = "counter"     // what the server counts for its licence and its quotas
	KindSystem     = "system"      // everything else below sys/
	KindOther      = "other"       // keys of a form that is not known here

	// Of a mount each, with its UUID.
	KindKVMetadata = "kv metadata" // KV v2: one entry a secret
	KindKVVersion  = "kv version"  // KV v2: one entry a version that has data
	KindKVConfig   = "kv config"   // KV v2: its settings, salt and the key that encrypts paths
	KindEngine     = "engine"      // of any other secrets engine, KV v1 too
	KindAuth       = "auth"        // of an auth method
	KindAudit      = "audit"       // of an audit device
)

// kindsOfMounts are those whose groups have a UUID.
var kindsOfMounts = []string{KindKVMetadata, KindKVVersion, KindKVConfig, KindEngine, KindAuth, KindAudit}

// Classify tells the kind of the entry at key, and the UUID of the mount it is in, if any. What is in a
// namespace is counted by what it is, mounts have UUIDs of their own there.
func Classify(key string) (kind, uuid string) {
	if rest, ok := strings.CutPrefix(key, "namespaces/"); ok {
		if _, inner, ok := strings.Cut(rest, "/"); ok {
			key = inner
		}
	}
	root, rest, ok := strings.Cut(key, "/")
	if !ok {
		return KindOther, ""
	}
	switch root {
	case "core":
		return KindCore, ""
	case "sys":
		return system(rest), ""
	case "logical", "auth", "audit":
		return mounted(root, rest)
	}
	return KindOther, ""
}

// below tells the kinds of what is below sys/. The first that fits counts.
var below = []struct{ prefix, kind string }{
	{"policy/", KindPolicy},
	{"policy-rgp/", KindPolicy},
	{"policy-egp/", KindPolicy},
	{"password_policy/", KindPolicy},
	{"token/id/", KindToken},
	{"token/accessor/", KindTokenIndex},
	{"token/parent/", KindTokenIndex},
	{"expire/id/", KindLease},
	{"expire/token/", KindLeaseIndex},
	{"counters/", KindCounter},
}

func system(rest string) string {
	for _, b := range below {
		if strings.HasPrefix(rest, b.prefix) {
			return b.kind
		}
	}
	return KindSystem
}

func mounted(root, rest string) (kind, uuid string) {
	uuid, rest, _ = strings.Cut(rest, "/")
	if !isUUID(uuid) {
		return KindOther, ""
	}
	switch root {
	case "auth":
		return KindAuth, uuid
	case "audit":
		return KindAudit, uuid
	}
	return engine(rest), uuid
}

// engine tells what of a secrets engine is at rest. KV v2 is known by a folder named by a second UUID
// and what it keeps there. An engine that keeps names of its users' choice, as KV v1 does, could
// be made to look like it; nothing but a count would be wrong.
func engine(rest string) string {
	folder, rest, ok := strings.Cut(rest, "/")
	if !ok || !isUUID(folder) {
		return KindEngine
	}
	part, _, _ := strings.Cut(rest, "/")
	switch part {
	case "metadata":
		return KindKVMetadata
	case "versions":
		return KindKVVersion
	case "config", "salt", "policy", "archive", "upgrading":
		return KindKVConfig
	}
	return KindEngine
}

// isUUID reports whether s is a UUID as the server writes them: 8-4-4-4-12 lower-case hex digits.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
