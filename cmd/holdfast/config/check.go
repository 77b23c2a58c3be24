package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time zones in the file mean the same on hosts without a zone database

	"golang.org/x/mod/sumdb/note"

	"holdfast/snapshot"
)

// check finds the mistakes that single values do not show, and fills in the defaults that
// depend on other values.
func check(c *Config, d *decoder) {
	checkRepository(c, d)
	checkKeys(c, d)
	for _, name := range c.VaultNames() {
		if err := snapshot.CheckVault(name); err != nil {
			d.fail(d.keyOf("vaults/"+name), "", "%s", nameError("vault", name))
		}
		checkVault(c.Vaults[name], "vaults/"+name, d)
	}
	if len(c.Vaults) == 0 {
		if p, given := d.pos["vaults"]; given {
			d.fail(p, "", "there is no vault to protect")
		}
	}
	for _, name := range c.JobNames() {
		checkJob(c, name, d)
	}
	for name, r := range c.Retention {
		path := "retention/" + name
		checkName(d, path, "retention", name)
		if sound(d, path) && *r == (Retention{}) {
			d.fail(d.keyOf(path), "say how many of last, hourly, daily, weekly, monthly or yearly", "this policy keeps nothing")
		}
	}
	for i := range c.Alerts {
		checkAlert(&c.Alerts[i], fmt.Sprintf("alerts/%d", i), d)
	}
	checkUnique(d, "report/frameworks", c.Report.Frameworks)
	checkSchedule(c, d)
	if sound(d, "limits/memory") && c.Limits.Memory < 64<<20 {
		d.fail(d.at("limits/memory"), "200MiB is enough for any vault", "less than 64MiB is not enough to work in")
	}
}

// given tells whether the file holds path.
func given(d *decoder, path string) bool { _, ok := d.pos[path]; return ok }

// sound tells whether the file holds path and every value at and below it was understood,
// so that what follows from it is not told on top of the cause.
func sound(d *decoder, path string) bool { return given(d, path) && !d.failed[path] }

func checkRepository(c *Config, d *decoder) {
	r := c.Repository
	if r.URL != "" {
		if m := repositoryMistake(r.URL); m != nil {
			d.fail(d.at("repository/url"), m.hint, "%s", m.message)
		}
	}
	switch {
	case r.Lock == Lock{}:
	case strings.HasPrefix(r.URL, "file:"):
		d.fail(d.keyOf("repository/lock"), "Object Lock is a feature of S3", "a file:// repository cannot lock what it stores")
	case r.Lock.Mode == "" && !given(d, "repository/lock/mode"):
		d.fail(d.keyOf("repository/lock"), "", "`mode` is missing")
	case r.Lock.Days == 0 && !given(d, "repository/lock/days"):
		d.fail(d.keyOf("repository/lock"), "", "`days` is missing")
	}
	atLeast(d, "repository/lease", r.Lease, time.Minute)
}

// secretQuery are query keys that would carry credentials in a repository's URL.
var secretQuery = regexp.MustCompile(`(?i)(access.?key|secret|token|password|credential)`)

// repositoryMistake checks what every store's URL has in common; the store itself reads the
// rest. The URL is not repeated: people put keys into it.
func repositoryMistake(s string) *mistake {
	u, err := url.Parse(s)
	if err != nil {
		return &mistake{"this is not a URL", "s3://bucket/prefix or file:///absolute/path"}
	}
	for key := range u.Query() {
		if secretQuery.MatchString(key) {
			return &mistake{"the URL carries credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a profile"}
		}
	}
	switch {
	case u.User != nil:
		return &mistake{"the URL carries credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a profile"}
	case u.Scheme == "s3" && u.Host == "":
		return &mistake{"the URL names no bucket", "s3://bucket/prefix"}
	case u.Scheme == "file" && (u.Host != "" || !strings.HasPrefix(u.Path, "/")):
		return &mistake{"the URL names no absolute path", "file:///absolute/path, with three slashes"}
	case u.Scheme != "s3" && u.Scheme != "file":
		return &mistake{"no store has the scheme " + quote(u.Scheme), "s3://bucket/prefix or file:///absolute/path"}
	}
	return nil
}

func checkKeys(c *Config, d *decoder) {
	for i, key := range c.Keys.Trust {
		if _, err := note.NewVerifier(key); key != "" && err != nil {
			d.fail(d.at(fmt.Sprintf("keys/trust/%d", i)), "copy the line that `holdfast key show host.key` prints on that host", "this is not the public key of a signer (name+hash+key)")
		}
	}
	var lists [2][]Recipient
	for i, refs := range [][]RecipientRef{c.Keys.Recipients, c.Keys.Escrow} {
		for _, ref := range refs {
			if ref.recipient.Recipient != nil {
				lists[i] = append(lists[i], ref.recipient)
			}
		}
	}
	if err := mixed(lists[0], lists[1]); err != nil {
		d.fail(d.keyOf("keys"), MixedHint, "%s", err)
	}
}

// MixedHint says what to do about ErrMixedRecipients.
const MixedHint = "make all of them post-quantum (`holdfast key generate`), or all of them classic (`--classic`)"

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func checkName(d *decoder, path, what, name string) {
	if !namePattern.MatchString(name) {
		d.fail(d.keyOf(path), "", "%s", nameError(what, name))
	}
}

func nameError(what, name string) string {
	return fmt.Sprintf("%s name %s: use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit", what, quote(name))
}

// atLeast checks a duration that the file gives; defaults need no check.
func atLeast(d *decoder, path string, got Duration, least time.Duration) {
	if sound(d, path) && got.Std() < least {
		d.fail(d.at(path), "", "%s is less than %s", got, Duration(least))
	}
}

func checkUnique(d *decoder, path string, list []string) {
	for i, s := range list {
		if s != "" && slices.Index(list, s) < i {
			d.fail(d.at(fmt.Sprintf("%s/%d", path, i)), "", "%s is listed twice", quote(s))
		}
	}
}
