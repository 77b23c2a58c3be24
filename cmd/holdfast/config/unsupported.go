package config

import "fmt"

// Unsupported is what the file rightly holds and a program that takes snapshots when it is told to does
// not act on.
func (c *Config) Unsupported() Errors {
	var w Errors
	d := &decoder{pos: c.pos}
	warn := func(path, hint, message string, args ...any) {
		p := d.at(path)
		w = append(w, &Error{c.file, p.line, p.column, fmt.Sprintf(message, args...), hint})
	}
	for _, name := range c.JobNames() {
		if path := "jobs/" + name + "/cron"; given(d, path) {
			warn(path, "have cron or a timer run `holdfast snapshot --job "+name+"`", "the time of job %s is checked, and this version starts nothing by itself", name)
		}
	}
	for _, s := range [][2]string{
		{"retention", "nothing is pruned: every snapshot stays"}, {"alerts", "whatever runs holdfast must watch its exit code"},
		{"report", ""}, {"schedule", "have cron or a timer run holdfast"},
	} {
		if given(d, s[0]) {
			warn(s[0], s[1], "`%s` is checked, and this version does not act on it", s[0])
		}
	}
	return w.sorted()
}
