package config

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func checkVault(v *Vault, at string, d *decoder) {
	atLeast(d, at+"/objectives/rpo", v.Objectives.RPO, time.Minute)
	atLeast(d, at+"/objectives/rto", v.Objectives.RTO, time.Second)
	checkTags(v.Tags, at+"/tags", d)
	switch v.Kind {
	case KindPostgres:
		checkPostgres(v.Postgres, at, d)
	case KindFiles:
		checkPatterns(v.Files.Exclude, at+"/exclude", d)
	case KindRaft:
		checkCluster(&v.Raft.Cluster, at, d)
		atLeast(d, at+"/timeout", v.Raft.Timeout, time.Second)
		checkCanaries(v.Raft.Drill.Canaries, at+"/drill/canaries", d)
	case KindKV:
		checkCluster(&v.KV.Cluster, at, d)
		checkUnique(d, at+"/exclude", v.KV.Exclude)
		checkUnique(d, at+"/mounts", v.KV.Mounts)
		atLeast(d, at+"/timeout", v.KV.Timeout, time.Second)
	}
}

// tagKey is the form of a tag's key; values are any short text.
var tagKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$`)

func checkTags(tags map[string]string, at string, d *decoder) {
	for k, v := range tags {
		if !tagKey.MatchString(k) {
			d.fail(d.keyOf(at+"/"+k), "", "tag %s: use 1 to 63 letters, digits and . _ / -, beginning with a letter or digit", quote(k))
		}
		if len(v) > 256 {
			d.fail(d.at(at+"/"+k), "", "the value of a tag is at most 256 characters")
		}
	}
}

// checkPostgres also puts the tables of a preset before those that the file names.
func checkPostgres(p *Postgres, at string, d *decoder) {
	checkUnique(d, at+"/tables", p.Tables)
	for _, table := range p.Tables {
		if slices.Contains(presets[p.Preset], table) {
			d.fail(d.at(at+"/tables"), "leave it out here", "%s is in the preset %s already", quote(table), p.Preset)
		}
	}
	p.Tables = slices.Concat(presets[p.Preset], p.Tables)
	atLeast(d, at+"/lock_timeout", p.LockTimeout, time.Second)
	atLeast(d, at+"/full_every", p.FullEvery, time.Minute)
	checkUnique(d, at+"/schemas", p.Schemas)
	checkUnique(d, at+"/exclude", p.Exclude)
}

func checkPatterns(patterns []string, at string, d *decoder) {
	for i, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			d.fail(d.at(join(at, strconv.Itoa(i))), "* and ? stand for others, [a-z] for one of some", "%s is not a pattern", quote(p))
		}
	}
}

func checkCluster(c *Cluster, at string, d *decoder) {
	checkAddress(c.Address, at+"/address", d)
	for i, address := range c.Addresses {
		checkAddress(address, join(at+"/addresses", strconv.Itoa(i)), d)
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		d.fail(d.keyOf(at), "", "`cert_file` and `key_file` go together")
	}
	checkAuth(&c.Auth, at+"/auth", d)
}

func checkAddress(address, at string, d *decoder) {
	if address == "" {
		return
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		d.fail(d.at(at), "", "want an address such as https://host:8200")
	case u.User != nil || u.RawQuery != "":
		d.fail(d.at(at), "put credentials under `auth`", "an address has no user and no query")
	case strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/v1"):
		d.fail(d.at(at), "", "an address ends before /v1")
	}
}

// canaryHash is the form of a salt and a SHA-256 in base64.
var canaryHash = regexp.MustCompile(`^[A-Za-z0-9_-]+:[A-Za-z0-9_-]{43}$`)

// checkCanaries refuses what is no hash, and does not repeat it: it may be the secret itself.
func checkCanaries(list []Canary, at string, d *decoder) {
	for i, c := range list {
		if at := join(at, strconv.Itoa(i)) + "/hash"; c.Hash != "" && !canaryHash.MatchString(c.Hash) {
			d.fail(d.at(at), "`holdfast drill --hash` makes it of standard input", "this is not a canary's hash")
		}
	}
}

// authKeys are the keys that each method of logging in needs and may have.
var authKeys = map[string]struct{ needs, may []string }{
	"token":      {needs: []string{"token"}},
	"approle":    {needs: []string{"role_id"}, may: []string{"secret_id", "wrapped_secret_id"}},
	"kubernetes": {needs: []string{"role"}, may: []string{"jwt_file"}},
}

// checkAuth checks that a login has what its method needs, and nothing of another's.
func checkAuth(a *Auth, at string, d *decoder) {
	method, ok := authKeys[a.Method]
	if !ok {
		return // told already
	}
	for _, key := range method.needs {
		if !given(d, at+"/"+key) {
			d.fail(d.keyOf(at), "", "`%s` is missing: the method %s needs it", key, a.Method)
		}
	}
	if a.Method == "approle" && given(d, at+"/secret_id") == given(d, at+"/wrapped_secret_id") {
		d.fail(d.keyOf(at), "", "the method approle needs `secret_id` or `wrapped_secret_id`, and one of them alone")
	}
	for _, key := range []string{"token", "role_id", "secret_id", "wrapped_secret_id", "role", "jwt_file"} {
		if given(d, at+"/"+key) && !slices.Contains(method.needs, key) && !slices.Contains(method.may, key) {
			d.fail(d.keyOf(at+"/"+key), "", "`%s` has no use for the method %s", key, a.Method)
		}
	}
	if a.Method == "kubernetes" && a.JWTFile == "" {
		a.JWTFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	}
}
