package auditlog

import (
	"encoding/json"
	"fmt"
	"time"
)

// Counts are what an access review draws from an audit log. Those of parts of a log Merge into
// those of the whole.
//
// A request is counted once, at its entry of type "request", and a failure at the response that
// carries the error: the server writes one for each request, refused ones too. So each group has both
// numbers, of however many files the two entries are in. Who asked without a token, to log in, is
// known from the response alone and counted there.
//
// No count holds a value, a token or an accessor. Paths, names and addresses are as the log has
// them; facts are encrypted like the log itself.
type Counts struct {
	Version int `json:"version"` // CountsVersion of who counted

	Lines     int64 `json:"lines"`
	Entries   int64 `json:"entries"` // lines that are audit entries
	Requests  int64 `json:"requests"`
	Responses int64 `json:"responses"`
	Failures  int64 `json:"failures"` // responses that carry an error

	// Incomplete are requests without an operation, a path or a remote address.
	Incomplete int64 `json:"incomplete,omitempty"`
	// RawTokens are entries with a token that is not HMACed, which only a device with log_raw writes.
	RawTokens int64 `json:"raw_tokens,omitempty"`
	// RawValues are entries with other values that are not HMACed: a device with log_raw, or a mount
	// that names such keys.
	RawValues int64 `json:"raw_values,omitempty"`

	First time.Time `json:"first,omitzero"` // the earliest entry, in UTC
	Last  time.Time `json:"last,omitzero"`

	Operations Group `json:"operations"` // read, update, ...
	Paths      Group `json:"paths"`      // the first three names of the path
	Mounts     Group `json:"mounts"`     // mount point and its type
	Actors     Group `json:"actors"`     // display name, or what else tells who asked
	Entities   Group `json:"entities"`   // entity id, where there is one
	Addresses  Group `json:"addresses"`
	Errors     Group `json:"errors"` // what was answered, the first line
	Days       Group `json:"days"`   // 2026-11-22, in UTC

	FailedActors Group `json:"failed_actors"` // day and actor, failures only
	FailedPaths  Group `json:"failed_paths"`  // day and whole path, failures only
	ReadHours    Group `json:"read_hours"`    // hour and actor, reads and lists only
}

// CountsVersion changes when the same lines would be counted otherwise.
const CountsVersion = 1

// Merge adds o to c. Sums are exact; of each group the busiest thousand keys are kept.
func (c *Counts) Merge(o Counts) {
	c.Version = CountsVersion
	c.Lines += o.Lines
	c.Entries += o.Entries
	c.Requests += o.Requests
	c.Responses += o.Responses
	c.Failures += o.Failures
	c.Incomplete += o.Incomplete
	c.RawTokens += o.RawTokens
	c.RawValues += o.RawValues
	c.span(o.First)
	c.span(o.Last)
	groups, others := c.groups(), o.groups()
	for i, g := range groups {
		g.merge(*others[i], kept)
	}
}

// Fit folds groups until c is at most size bytes of JSON, the longest of them first.
func (c *Counts) Fit(size int) error {
	for {
		b, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encoding counts: %w", err)
		}
		if len(b) <= size {
			return nil
		}
		rows := 0
		for _, g := range c.groups() {
			rows = max(rows, len(g.Rows))
		}
		if rows == 0 {
			return fmt.Errorf("fitting counts of %d bytes into %d: they have no rows left", len(b), size)
		}
		for _, g := range c.groups() {
			g.fold(rows * 3 / 4)
		}
	}
}

// span widens First and Last to t.
func (c *Counts) span(t time.Time) {
	if t.IsZero() {
		return
	}
	if c.First.IsZero() || t.Before(c.First) {
		c.First = t
	}
	if t.After(c.Last) {
		c.Last = t
	}
}

// groups lists the groups, always in the same order.
func (c *Counts) groups() []*Group {
	return []*Group{&c.Operations, &c.Paths, &c.Mounts, &c.Actors, &c.Entities, &c.Addresses, &c.Errors, &c.Days,
		&c.FailedActors, &c.FailedPaths, &c.ReadHours}
}
