package raft

import "strings"

// What a server writes by itself once it has a snapshot and is unsealed, found out by comparing what
// came back from real ones, at once and after minutes. Entries below these keys may come, go and
// change; all others have to come back byte for byte.
var volatile = []struct{ prefix, why string }{
	{"core/lock", "which node is active"},
	{"core/leader/", "addresses and certificate of the active node"},
	{"core/cluster/feature-flags", "written again at each unseal"},
	{"core/raft/", "the cluster's own TLS keys, made anew when they are a day old"},
	{"core/autopilot/", "how the nodes of this cluster are"},
	{"core/versions/", "one entry when a version of the server first runs"},
	{"core/upgrade/", "key rotations on their way to standbys, removed when they arrived"},
	{"sys/expire/", "leases: those that ended are revoked"},
	{"sys/token/", "tokens: those that ended go, the one that reads this comes"},
	{"sys/counters/", "usage, counted on"},
}

// Tables that another version of the server writes again in its own form, with the same content.
var rewritten = []string{
	"core/mounts", "core/local-mounts", "core/auth", "core/local-auth", "core/audit", "core/local-audit",
	"core/wrapping/", "sys/policy/response-wrapping", "sys/policy/control-group", "sys/policy/default",
}

// A tolerance tells which entries need not come back as they were.
type tolerance struct {
	otherVersion bool // the server is of another version than the one that was dumped
	withheld     bool // the server was not given all of the dump, see withholds
	cubbyholes   []string
}

func (t tolerance) covers(key string) bool {
	key = within(key)
	for _, v := range volatile {
		if strings.HasPrefix(key, v.prefix) {
			return true
		}
	}
	for _, uuid := range t.cubbyholes { // each goes with its token
		if strings.HasPrefix(key, "logical/"+uuid+"/") {
			return true
		}
	}
	if t.withheld && withholds(key) {
		return true
	}
	return t.otherVersion && hasAnyPrefix(key, rewritten)
}

// within is key as it is inside of its namespace, which has leases, tokens and tables of its own.
func within(key string) string {
	if rest, ok := strings.CutPrefix(key, "namespaces/"); ok {
		if _, inner, ok := strings.Cut(rest, "/"); ok {
			return inner
		}
	}
	return key
}

func hasAnyPrefix(key string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}
