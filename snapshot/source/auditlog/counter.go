package auditlog

import (
	"strings"
	"time"
)

// A Counter counts lines. The zero value is ready; it is for one goroutine.
type Counter struct {
	counts Counts
	tables []*table // one for each of Counts.groups
}

// Add counts one line and reports whether it is an audit entry, and of when.
func (c *Counter) Add(line []byte) (at time.Time, ok bool) {
	c.counts.Lines++
	var e entry
	at, ok = e.parse(line)
	if !ok {
		return time.Time{}, false
	}
	c.counts.Entries++
	c.counts.span(at)
	if e.rawToken() {
		c.counts.RawTokens++
	}
	if e.rawValue() {
		c.counts.RawValues++
	}
	if e.Type == "request" {
		c.request(&e, at)
	} else {
		c.response(&e, at)
	}
	return at, true
}

// Counts returns what was counted so far, each group with its busiest thousand keys.
func (c *Counter) Counts() Counts {
	counts := c.counts
	counts.Version = CountsVersion
	for i, g := range counts.groups() {
		*g = c.table(i).group(kept)
	}
	return counts
}

// Numbers of groups in Counts.groups.
const (
	operations = iota
	paths
	mounts
	actors
	entities
	addresses
	failures
	days
	failedActors
	failedPaths
	readHours
	groupCount
)

func (c *Counter) table(i int) *table {
	if c.tables == nil {
		c.tables = make([]*table, groupCount)
		for i := range c.tables {
			c.tables[i] = newTable()
		}
	}
	return c.tables[i]
}

// selfTest is the path of the entry that the server writes by itself into a device's new file.
const selfTest = "sys/audit/test"

func (c *Counter) request(e *entry, at time.Time) {
	c.counts.Requests++
	r := e.Request
	if r.Path != selfTest && (r.Operation == "" || r.Path == "" || r.RemoteAddress == "") {
		c.counts.Incomplete++
	}
	t := Tally{Requests: 1, Last: at.Unix()}
	c.both(e, at, t)
	if !e.anonymous() {
		c.actor(e, t)
	}
	if r.Operation == "read" || r.Operation == "list" {
		c.table(readHours).count(at.Format("2006-01-02T15")+" "+e.actor(), t)
	}
}

func (c *Counter) response(e *entry, at time.Time) {
	c.counts.Responses++
	t := Tally{Last: at.Unix()}
	if e.Error != "" {
		t.Failures = 1
		c.failure(e, at, t)
	}
	if e.anonymous() { // a login, perhaps: only its response tells who that was
		t.Requests = 1
	}
	if t.Requests+t.Failures > 0 {
		c.actor(e, t)
	}
}

func (c *Counter) failure(e *entry, at time.Time, t Tally) {
	c.counts.Failures++
	c.both(e, at, t)
	c.table(failures).count(e.problem(), t)
	day := at.Format(time.DateOnly) + " "
	c.table(failedActors).count(day+e.actor(), t)
	c.table(failedPaths).count(day+e.Request.Path, t)
}

// actor counts who asked.
func (c *Counter) actor(e *entry, t Tally) {
	c.table(actors).count(e.actor(), t)
	if id := e.entity(); id != "" {
		c.table(entities).count(id, t)
	}
}

// both counts what requests and failures are counted by.
func (c *Counter) both(e *entry, at time.Time, t Tally) {
	r := e.Request
	c.table(operations).count(r.Operation, t)
	c.table(paths).count(head(r.Path), t)
	if r.MountPoint != "" {
		c.table(mounts).count(strings.TrimSpace(r.MountPoint+" "+r.MountType), t)
	}
	c.table(addresses).count(r.RemoteAddress, t)
	c.table(days).count(at.Format(time.DateOnly), t)
}

// head is the first three names of a path.
func head(path string) string {
	end := 0
	for range 3 {
		i := strings.IndexByte(path[end:], '/')
		if i < 0 {
			return path
		}
		end += i + 1
	}
	return path[:end]
}
