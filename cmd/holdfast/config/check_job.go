package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func checkJob(c *Config, name string, d *decoder) {
	path := "jobs/" + name
	checkName(d, path, "job", name)
	j := c.Jobs[name]
	if j == nil {
		return
	}
	switch {
	case len(j.Vaults) == 0 && len(j.Drill) == 0 && sound(d, path):
		d.fail(d.keyOf(path), "list `vaults` to take snapshots of, or vaults to `drill`", "this job does nothing")
	case len(j.Vaults) > 0 && len(j.Drill) > 0:
		d.fail(d.keyOf(path+"/drill"), "make two jobs of it", "a job takes snapshots or drills, not both")
	}
	checkJobVaults(c, path+"/vaults", j.Vaults, d)
	checkJobVaults(c, path+"/drill", j.Drill, d)
	if _, ok := c.Retention[j.Retention]; j.Retention != "" && !ok {
		known := slices.Sorted(maps.Keys(c.Retention))
		d.fail(d.at(path+"/retention"), didYouMean(j.Retention, known), "there is no retention policy %s", quote(j.Retention))
	}
	if j.Cron != "" {
		if m := cronMistake(j.Cron); m != nil {
			d.fail(d.at(path+"/cron"), m.hint, "%s", m.message)
		}
	}
	if _, err := time.LoadLocation(j.Timezone); err != nil || j.Timezone == "Local" {
		d.fail(d.at(path+"/timezone"), "an IANA name such as Europe/Berlin, or UTC", "unknown time zone %s", quote(j.Timezone))
	}
	atLeast(d, path+"/timeout", j.Timeout, time.Second)
}

func checkJobVaults(c *Config, path string, names []string, d *decoder) {
	for i, v := range names {
		if _, ok := c.Vaults[v]; !ok && v != "" {
			d.fail(d.at(fmt.Sprintf("%s/%d", path, i)), didYouMean(v, c.VaultNames()), "there is no vault %s", quote(v))
		}
	}
	checkUnique(d, path, names)
}

func checkAlert(a *Alert, path string, d *decoder) {
	switch {
	case given(d, path+"/url") && given(d, path+"/ping"):
		d.fail(d.at(path), "make two alerts of it", "an alert has `url` or `ping`, not both")
	case !given(d, path+"/url") && !given(d, path+"/ping"):
		d.fail(d.at(path), "", "an alert needs `url` or `ping`")
	case given(d, path+"/ping") && len(a.On) > 0:
		d.fail(d.keyOf(path+"/on"), "it is called after each verified snapshot, and only then", "a ping has no `on`")
	case given(d, path+"/url") && len(a.On) == 0:
		a.On = []string{"failure", "recovery", "stale"}
	}
	if r := a.Ping.ref; r != nil && r.inline != nil && !isHTTP(*r.inline) {
		d.fail(d.at(path+"/ping"), "", "a ping is an http or https address")
	}
	checkUnique(d, path+"/on", a.On)
}

func isHTTP(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

func checkSchedule(c *Config, d *decoder) {
	s := c.Schedule
	switch {
	case s.Engine == "river" && !given(d, "schedule/url"):
		d.fail(d.keyOf("schedule"), "", "`url` is missing: the river engine needs its database")
	case s.Engine == "local" && given(d, "schedule/url"):
		d.fail(d.keyOf("schedule/url"), "say `engine: river`, or remove it", "`url` is a setting of the river engine")
	case s.Engine == "local" && len(s.Queues) > 0:
		d.fail(d.keyOf("schedule/queues"), "say `engine: river`, or remove it", "`queues` is a setting of the river engine")
	}
	checkUnique(d, "schedule/queues", s.Queues)
}
