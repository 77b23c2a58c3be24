package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"holdfast/restore"
	"holdfast/snapshot/source/sqlite"
)

// Diff is the restore.Differ of SQLite vaults. It compares what was counted when the dumps
// were taken, and reads no page.
func Diff(_ context.Context, a, b restore.Dump) ([]restore.Change, error) {
	before, err := tables(a)
	if err != nil {
		return nil, err
	}
	after, err := tables(b)
	if err != nil {
		return nil, err
	}
	var list []restore.Change
	rows := map[string]int64{}
	for _, t := range before {
		rows[t.Name] = t.Rows
	}
	for _, t := range after {
		old, ok := rows[t.Name]
		delete(rows, t.Name)
		switch {
		case !ok:
			list = append(list, restore.Change{Name: t.Name, Change: "added", Detail: fmt.Sprintf("%d rows", t.Rows)})
		case old != t.Rows:
			list = append(list, restore.Change{Name: t.Name, Change: "changed", Detail: fmt.Sprintf("%d rows (%+d)", t.Rows, t.Rows-old)})
		}
	}
	for _, t := range before {
		if _, gone := rows[t.Name]; gone {
			list = append(list, restore.Change{Name: t.Name, Change: "removed", Detail: fmt.Sprintf("%d rows", t.Rows)})
		}
	}
	return list, nil
}

// tables are those of the dump's one stream.
func tables(d restore.Dump) ([]sqlite.Table, error) {
	streams := d.Streams()
	if len(streams) != 1 {
		return nil, fmt.Errorf("%d streams in a SQLite dump", len(streams))
	}
	var f sqlite.Facts
	if err := json.Unmarshal(streams[0].Facts, &f); err != nil {
		return nil, fmt.Errorf("reading the facts of %q: %w", streams[0].Name, err)
	}
	return f.Tables, nil
}
