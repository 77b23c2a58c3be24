package config

import (
	"strings"
	"time"
)

// Warnings are what is allowed but probably not meant, for `config check` to tell. They are
// about the file alone; nothing is opened.
func (c *Config) Warnings() Errors {
	var w Errors
	warn := func(path, hint, message string) {
		p := (&decoder{pos: c.pos}).at(path)
		w = append(w, &Error{c.file, p.line, p.column, message, hint})
	}
	if len(c.Keys.Escrow) == 0 {
		warn("keys", "add the recipient of an identity kept offline under `escrow`", "there is no escrow recipient: who loses the identity loses every snapshot")
	}
	for _, name := range c.JobNames() {
		if j := c.Jobs[name]; j != nil && inClockChange(j) {
			warn("jobs/"+name+"/cron", "choose a time outside 00:00 to 03:00, or UTC", "on the days when clocks change, this time comes twice or not at all in "+j.Timezone)
		}
	}
	covered := map[string]bool{}
	for _, j := range c.Jobs {
		for _, v := range j.Vaults {
			covered[v] = true
		}
	}
	for _, name := range c.VaultNames() {
		if len(c.Jobs) > 0 && !covered[name] {
			warn("vaults/"+name, "", "no job takes snapshots of this vault")
		}
	}
	return w.sorted()
}

// inClockChange tells whether a job's hour lies where its zone's clocks jump.
func inClockChange(j *Job) bool {
	fields := strings.Fields(j.Cron)
	if len(fields) != 5 {
		return false
	}
	zone, err := time.LoadLocation(j.Timezone)
	if err != nil {
		return false
	}
	_, winter := time.Date(2026, 1, 1, 0, 0, 0, 0, zone).Zone()
	_, summer := time.Date(2026, 7, 1, 0, 0, 0, 0, zone).Zone()
	switch fields[1] {
	case "0", "1", "2", "00", "01", "02":
		return winter != summer
	}
	return false
}
