package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"holdfast/snapshot"
)

// An earlier dump is what parts may be carried over from.
type earlier struct {
	facts   *Facts // nil: nothing can be carried over
	streams map[string]earlierPart
	byTable map[uint32][]Part
}

type earlierPart struct {
	Part
	rows int64
}

// readEarlier finds what the snapshot before has of this database. Facts that cannot be read are
// those of another version of this package: nothing is carried over from them.
func readEarlier(ctx context.Context, d snapshot.Dump) (*earlier, error) {
	e := &earlier{streams: map[string]earlierPart{}, byTable: map[uint32][]Part{}}
	carrier, ok := d.(snapshot.Carrier)
	if !ok {
		return e, nil
	}
	streams, err := carrier.Earlier(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking at the snapshot before: %w", err)
	}
	for _, s := range streams {
		if s.Name == PreData {
			var f Facts
			if json.Unmarshal(s.Facts, &f) == nil {
				e.facts = &f
			}
		}
		var p Part
		if s.Format == FormatCopy && json.Unmarshal(s.Facts, &p) == nil && s.Name != "" {
			e.streams[s.Name] = earlierPart{Part: p, rows: s.Rows}
			e.byTable[p.Relation.OID] = append(e.byTable[p.Relation.OID], p)
		}
	}
	return e, nil
}

// follows reports whether o is a later point of the history that before is a point of, near enough
// for transaction ids to be compared: every transaction that before saw as ended has ended so in o.
func (o Origin) follows(before Origin) bool {
	then, err1 := parseLSN(before.LSN)
	now, err2 := parseLSN(o.LSN)
	return o.System != "" && o.System == before.System && o.Timeline == before.Timeline &&
		o.Started.Equal(before.Started) && o.Reset.Equal(before.Reset) && o.Reset.Unix() != 0 && o.Standby == before.Standby && o.Database == before.Database &&
		err1 == nil && err2 == nil && now >= then &&
		o.Xmin >= before.Xmin && o.Xmax >= before.Xmax && o.Xmax-before.Xmin < farthest &&
		uint32(before.Xmin) >= firstNormalXid
}

// farthest is how many transactions may lie between two dumps. Ids are told apart up to twice as many, which
// leaves room for those that begin while rows are counted: they are compared with the newest of all.
const farthest = 1 << 30

// firstNormalXid is the lowest transaction id that is given to a transaction.
const firstNormalXid = 3

func parseLSN(text string) (uint64, error) {
	high, low, _ := strings.Cut(text, "/")
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("reading the position %q: %w", text, err)
	}
	l, err := strconv.ParseUint(low, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("reading the position %q: %w", text, err)
	}
	return h<<32 | l, nil
}

// carries reports whether p may be what the earlier dump has under its name: all of the
// conditions but those that only counting answers.
func (e *earlier) carries(p *part) bool {
	old, ok := e.streams[p.name()]
	want := p.describe()
	return ok && p.table.stable && p.table.heap &&
		old.Relation == want.Relation && old.Schema == want.Schema && old.Table == want.Table &&
		old.Order == want.Order && old.From == want.From && old.To == want.To &&
		slices.Equal(old.Columns, want.Columns)
}
