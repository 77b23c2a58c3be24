package raft

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dustin/go-humanize"

	"holdfast/snapshot"
	"holdfast/snapshot/source/raft/state"
)

// earlierFacts returns the facts of the snapshot before, nil if there are none to be had.
func earlierFacts(ctx context.Context, d snapshot.Dump) (*Facts, error) {
	c, ok := d.(snapshot.Rememberer)
	if !ok {
		return nil, nil
	}
	streams, err := c.Before(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range streams {
		if s.Name != StateName || len(s.Facts) == 0 {
			continue
		}
		f := &Facts{}
		if err := json.Unmarshal(s.Facts, f); err != nil {
			d.Warn("the facts of the snapshot before cannot be read, so nothing was compared with it")
			return nil, nil // a dump is none the worse for it
		}
		return f, nil
	}
	return nil, nil
}

// warnings tells what became different since earlier in a way that somebody should look at. They stand in the
// manifest, which anyone may read who can read the bucket, so they name no mount.
func (f *Facts) warnings(earlier *Facts) []string {
	if earlier == nil {
		return nil
	}
	list := f.otherCluster(earlier)
	for _, c := range f.Census.Compare(earlier.Census) {
		if w := loss(c); w != "" {
			list = append(list, w)
		}
	}
	return list
}

// otherCluster tells which keys and which cluster are other ones than before.
func (f *Facts) otherCluster(earlier *Facts) []string {
	var list []string
	if f.ClusterID != earlier.ClusterID {
		list = append(list, "the cluster id is another one than in the snapshot before: this is another cluster, or one that was set up anew")
	}
	if f.SealType != earlier.SealType || f.RecoverySeal != earlier.RecoverySeal {
		list = append(list, fmt.Sprintf("the seal was %q and is %q now: older snapshots need the old one", earlier.SealType, f.SealType))
	}
	if f.Shares != earlier.Shares || f.Threshold != earlier.Threshold {
		list = append(list, fmt.Sprintf("the key was in %d shares, %d to unseal, and is in %d, %d to unseal, now: older snapshots may need the old shares",
			earlier.Shares, earlier.Threshold, f.Shares, f.Threshold))
	}
	return list
}

// losable are the kinds whose shrinking is worth a warning. The others come and go by themselves.
var losable = map[string]string{
	state.KindKVMetadata: "a KV mount of %s secrets",
	state.KindKVVersion:  "a KV mount of %s versions",
	state.KindEngine:     "a secrets engine of %s entries",
	state.KindAuth:       "an auth method of %s entries",
	state.KindAudit:      "an audit device of %s entries",
	state.KindPolicy:     "the set of %s policies",
}

// loss is the sentence about a group that vanished or lost more than half of its entries.
func loss(c state.Change) string {
	text, ok := losable[c.Kind]
	switch {
	case !ok || !c.Halved():
		return ""
	case c.Vanished():
		return fmt.Sprintf(text+" is gone; diff shows which", humanize.Comma(c.Before))
	}
	return fmt.Sprintf(text+" has %s now; diff shows which", humanize.Comma(c.Before), humanize.Comma(c.After))
}
