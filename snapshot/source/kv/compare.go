package kv

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"

	"holdfast/snapshot"
)

// compare warns of mounts that the snapshot before had and that are gone or lost more than half of their
// secrets; now has how many each mount has. Warnings stand in the manifest, which anyone may read who can
// read the bucket, so they name no mount.
func compare(ctx context.Context, d snapshot.Dump, now map[string]int64) error {
	r, ok := d.(snapshot.Rememberer)
	if !ok {
		return nil
	}
	streams, err := r.Before(ctx)
	if err != nil || len(streams) == 0 {
		return err
	}
	earlier, err := Mounts(streams)
	if err != nil {
		d.Warn("the facts of the snapshot before cannot be read, so nothing was compared with it")
		return nil // a dump is none the worse for it
	}
	rows := map[string]int64{}
	for _, s := range streams {
		rows[s.Name] = s.Rows
	}
	for _, f := range earlier {
		before := rows[LinesStream(f.Mount)]
		after, there := now[f.Mount]
		switch {
		case before > 0 && !there:
			d.Warn(fmt.Sprintf("a KV mount of %s secrets is gone; diff shows which", humanize.Comma(before)))
		case 2*after < before:
			d.Warn(fmt.Sprintf("a KV mount of %s secrets has %s now; diff shows which", humanize.Comma(before), humanize.Comma(after)))
		}
	}
	return nil
}
