package restore

import "context"

// A Change is one thing that differs between two dumps of a vault.
type Change struct {
	Name   string `json:"name"`   // path, table, ...
	Change string `json:"change"` // added, removed, changed
	Detail string `json:"detail,omitempty"`
}

// A Differ finds what changed from a to b, two dumps of one kind, without reading more of
// them than it needs.
type Differ func(ctx context.Context, a, b Dump) ([]Change, error)
