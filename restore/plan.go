package restore

import (
	"time"

	"holdfast/snapshot"
)

// A Plan says what a restore would do, before it does it.
type Plan struct {
	ID         snapshot.ID           `json:"id"`
	Vault      string                `json:"vault"`
	Kind       string                `json:"kind"`
	DataAsOf   time.Time             `json:"data_as_of"`
	Age        string                `json:"age"`
	Signer     string                `json:"signer"`
	Server     snapshot.Server       `json:"server"`
	Target     string                `json:"target"` // "" for a dry run that writes nothing
	Only       []string              `json:"only,omitempty"`
	Replace    bool                  `json:"replace"`
	PlainBytes int64                 `json:"plain_bytes"`
	ReadBytes  int64                 `json:"read_bytes"` // stored bytes that a full restore fetches
	Packs      int                   `json:"packs"`
	Rows       int64                 `json:"rows"`
	Streams    []snapshot.StreamInfo `json:"streams"`
	Warnings   []string              `json:"warnings,omitempty"`
	Survey     []string              `json:"survey,omitempty"` // what the target told of itself
}

// Plan describes the restore of s as seen at now.
func (s *Snapshot) Plan(now time.Time) Plan {
	m := s.Manifest
	p := Plan{ID: m.ID, Vault: m.Vault, Kind: m.Kind, DataAsOf: m.DataAsOf, Age: now.Sub(m.DataAsOf).Round(time.Second).String(),
		Signer: m.Signer, Server: m.Server, PlainBytes: m.Totals.PlainBytes, Packs: len(s.Contents.Packs),
		Rows: m.Totals.Rows, Streams: s.Streams(), Warnings: m.Warnings}
	for _, b := range s.Contents.Packs {
		p.ReadBytes += b.Size
	}
	return p
}
